// Captures and impulse responses: search, play each by a touch, and send one from this device.

import {make, write} from "./controls.js";

const SHOWN = 200;  // names at once: search finds the others
const ACCEPTED = {model: ".nam,.json,.aidax", audio: ".wav,.flac,.aiff,.aif"};
const VERBS = {model: "capture", audio: "ir"};
const TITLES = {model: "Captures", audio: "Impulse responses"};

export function verb(kind) {
  return VERBS[kind];
}

export class Files {
  // `play(line)` runs a command, `say(text, failed)` shows a line.
  constructor(dialog, play, say) {
    Object.assign(this, {dialog, play, say, names: []});
    [this.title, this.search, this.list, this.file] = ["#kind", "#search", "#names", "#file"].map((name) => dialog.querySelector(name));
    this.search.addEventListener("input", () => this.show());
    this.file.addEventListener("change", () => this.send());
    dialog.querySelector("#close").addEventListener("click", () => dialog.close());
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.play(`${VERBS[this.kind]} ${this.block} ${button.textContent}`);
    });
  }

  async open(block, kind) {
    Object.assign(this, {block, kind});
    write(this.title, `${TITLES[kind]} for ${block}`);
    this.search.value = "";
    this.file.accept = ACCEPTED[kind];
    this.dialog.showModal();
    await this.load();
  }

  async load() {
    try {
      this.names = await (await fetch(`library?kind=${this.kind}`)).json();
    } catch {
      this.names = [];
    }
    this.show();
  }

  // `file`, if given, is the name of the file that plays now.
  show(file = this.playing) {
    this.playing = file;
    const words = this.search.value.toLowerCase().split(/\s+/);
    const found = this.names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
    this.list.replaceChildren(...found.slice(0, SHOWN).map((name) => {
      const button = make("button", {type: "button", textContent: name});
      if (name.split("/").pop() === file) button.setAttribute("aria-current", "true");
      return make("li", {}, button);
    }));
    if (!found.length) this.list.append(make("li", {textContent: "nothing found"}));
    if (found.length > SHOWN) this.list.append(make("li", {textContent: `and ${found.length - SHOWN} more: search for them`}));
  }

  async send() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    this.say(`sending ${file.name} …`);
    try {
      const answer = await fetch(`upload?name=${encodeURIComponent(file.name)}`, {method: "POST", body: file});
      if (!answer.ok) throw new Error(await answer.text());
      const {name} = await answer.json();
      await this.load();
      this.play(`${VERBS[this.kind]} ${this.block} ${name}`);
    } catch (error) {
      this.say(error.message, true);
    }
  }
}
