// The page: it shows the state that the player sends, and sends commands. It keeps no state of its own.

import {control, isSwitch, make, rank, set, write} from "./controls.js";
import {Files, verb} from "./files.js";
import {Link} from "./link.js";

const FLOOR = -60;  // dBFS at the left end of a level
const SAID = 6000;  // ms that an answer is shown
const WARM = 0.5, HOT = 0.8;  // loads

const $ = (id) => document.getElementById(id);
let state = {};
let commands = {};
let controls = new Map();  // by address: a switch of a block has two controls
let quiet;

const link = new Link({
  state(fresh, known) {
    state = fresh;
    commands = known;
    for (const each of all()) each.forget();
    showCommands();
    show(Object.keys(state));
  },
  change(part) {
    const {values, ...rest} = part;
    const told = state.message?.number;
    state = {...state, ...rest};
    for (const about of values ? state.knobs : []) Object.assign(about, values[about.address]);
    show(Object.keys(part));
    if (part.message && part.message.number !== told && !seen(part.message.text)) say(part.message.text);
  },
  meters: showMeters,
  pitch: showPitch,
  said(answer) {
    for (const each of all()) each.answered(answer.id);
    if (answer.failed) say(answer.text, true);
  },
  online() {
    delete document.body.dataset.offline;
    $("all").inert = false;
    $("offline").hidden = true;
  },
  offline(why) {
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
    document.body.dataset.offline = "";
    $("all").inert = true;
    $("offline").hidden = false;
    write($("offline"), why);
    for (const each of all()) each.forget();
  },
});

const files = new Files($("files"), (line) => link.do(line), say);

function* all() {
  for (const some of controls.values()) yield* some;
}

function turn(address, value) {
  return link.do(`set ${address} ${value}`);
}

// Whether a line only says what the page shows anyway.
function seen(text) {
  const word = text.split(" ")[0];
  return /^(preset \d+|scene) /.test(text) || text.startsWith("preset ") || state.knobs.some((about) => about.address === word);
}

function say(text, failed) {
  if (!text) return;
  ($("files").open ? $("files") : document.body).append($("said"));  // a dialog covers the rest of the page
  write($("said"), text);
  $("said").className = failed ? "failed" : "";
  clearTimeout(quiet);
  quiet = setTimeout(() => write($("said"), ""), SAID);
}

function show(keys) {
  const changed = new Set(keys);
  const any = (...names) => names.some((name) => changed.has(name));
  if (any("presets", "preset")) showSongs();
  if (any("scenes", "scene")) showScenes();
  if (any("knobs")) buildBoard();
  if (any("blocks", "knobs")) showFiles();
  if (any("values", "knobs")) {
    for (const about of state.knobs) for (const each of controls.get(about.address)) each.receive(about.value);
  }
  if (any("mute", "bypass", "tuner")) {
    for (const button of document.querySelectorAll("[data-state]")) set(button, "aria-pressed", Boolean(state[button.dataset.state]));
    $("muted").hidden = !state.mute;
    $("dry").hidden = !state.bypass;
    document.body.classList.toggle("silent", state.mute);
  }
  if (any("tuner")) showTuner();
  if (any("midi")) showLearning();
  if (any("undo")) $("undo").disabled = !state.undo;
  if (any("redo")) $("redo").disabled = !state.redo;
  if (any("changed")) $("save").classList.toggle("primary", state.changed);
  if (any("status")) showStatus();
  if (any("ended") && state.ended) link.on.offline("The player has ended. Waiting for it to start again …");
  if (any("slot")) for (const button of document.querySelectorAll("[data-slot]")) set(button, "aria-pressed", button.dataset.slot === state.slot);
}

// A button whose command the player lacks is not shown.
function showCommands() {
  for (const button of document.querySelectorAll("[data-do], [data-needs]")) {
    const lacks = !((button.dataset.needs ?? button.dataset.do.split(" ")[0]) in commands);
    if (button.id !== "muted") button.hidden = lacks;
  }
}

function showSongs() {
  const {presets, preset} = state, count = presets.length;
  const others = [...presets.slice(preset), ...presets.slice(0, preset - 1)];  // in the order in which they follow
  const next = others.find((each) => !each.fault);
  write($("now"), presets[preset - 1].name);
  $("next").replaceChildren(...(next ? [make("small", {textContent: "next "}), next.name] : []));
  $("steps").hidden = count < 2;
  fit();
  document.title = `${presets[preset - 1].name} – rtfx`;
  const list = $("songs");
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) list.append(make("li", {}, make("button", {type: "button"}, make("span", {className: "number"}),
    make("span", {className: "title"}), make("small"))));
  presets.forEach(({number, name, fault}, place) => {
    const button = list.children[place].firstChild;
    button.dataset.do = `preset ${number}`;
    button.disabled = Boolean(fault);
    [String(number), name, fault && `cannot play: ${fault}`].forEach((text, part) => write(button.children[part], text));
    button.title = fault;
    if (number === preset) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
}

// The song as large as the width allows, on two lines, on a phone on three.
function fit() {
  const name = $("now");
  if (!name.clientWidth) return;
  const lines = name.clientWidth < 400 ? 3 : 2;
  for (let size = Math.min(120, Math.max(76, name.clientWidth / 5)); size >= 30; size *= 0.92) {
    name.style.fontSize = `${size}px`;
    if (name.scrollWidth <= name.clientWidth && name.scrollHeight <= size * (1.02 * lines + 0.3)) break;
  }
}

function buttons(parent, names, line, pressed) {
  parent.hidden = !names.length;
  if ([...parent.children].map((each) => each.textContent).join("\n") !== names.join("\n")) {
    parent.replaceChildren(...names.map((name) => make("button", {type: "button", className: "big", textContent: name, "data-do": `${line} ${name}`})));
  }
  for (const button of parent.children) set(button, "aria-pressed", button.textContent === pressed);
}

function showScenes() {
  buttons($("scenes"), "scene" in commands ? state.scenes : [], "scene", state.scene);
}

function buildBoard() {
  const focused = document.activeElement?.dataset?.address;
  const blocks = new Map();
  controls = new Map();
  for (const about of state.knobs) {
    const made = [control(about, turn)];
    controls.set(about.address, made);
    if (!blocks.has(about.block)) blocks.set(about.block, {turns: []});
    const block = blocks.get(about.block);
    if (about.name !== "on" || !isSwitch(about)) {
      block.turns.push(made[0]);
      continue;
    }
    made.push(control(about, turn));
    [block.head, block.big] = made;
    block.big.element.classList.add("big");
  }
  $("blocks").replaceChildren(...[...blocks.values()].filter(({big}) => big).map(({big}) => big.element));
  $("blocks").hidden = !$("blocks").children.length;
  const first = [...blocks].sort(([a], [b]) => (b === "macro") - (a === "macro"));
  $("board").replaceChildren(...first.map(([name, {head, turns}]) => {
    const knobs = make("div", {className: "knobs"}, ...turns.sort((a, b) => rank(a) - rank(b)).map((each) => each.element));
    const title = head ? head.element : make("h3", {textContent: name});
    const block = make("div", {className: "block", role: "group", "aria-label": name}, title, ...filesOf(name), knobs);
    block.style.setProperty("--knobs", Math.min(turns.length, 3));
    return block;
  }));
  if (focused) document.querySelector(`[data-address="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
}

// The file of a block, between buttons for the one before and the one after.
function filesOf(id) {
  const {plays} = state.blocks.find((each) => each.id === id) ?? {};
  if (!plays || !(verb(plays) in commands)) return [];
  const step = (word, sign) => make("button", {type: "button", textContent: sign, "data-do": `${verb(plays)} ${id} ${word}`, "aria-label": `${word} for ${id}`});
  const name = make("button", {type: "button", className: "file", "data-file": id, "data-plays": plays});
  return [make("div", {className: "files"}, step("previous", "‹"), name, step("next", "›"))];
}

function showFiles() {
  for (const {id, file} of state.blocks) {
    const button = document.querySelector(`[data-file="${CSS.escape(id)}"]`);
    if (button) write(button, file || "choose");
    if (files.block === id && $("files").open) files.show(file);
  }
}

function showStatus() {
  const {latency_ms: latency, trouble, device} = state.status;
  write($("latency"), latency === null ? "" : `${latency.toFixed(1)} ms`);
  $("figures").title = device;
  $("trouble").hidden = !trouble;
  write($("trouble"), trouble);
}

// The levels of the input that plays, and of all outputs.
function sides(meters) {
  const one = state.in_channel_choices > 1;
  const inputs = one ? meters.in.slice(state.in_channel - 1, state.in_channel) : meters.in.slice(0, 2);
  const named = (side, levels, clip) => levels.map((level, place) => [levels.length > 1 ? `${side} ${place + 1}` : side, level, clip]);
  return [...named("In", inputs, meters.clip_in), ...named("Out", meters.out, meters.clip_out)];
}

// While a control is to be chosen for a pedal, a touch chooses it in place of turning it.
function showLearning() {
  const {midi} = state;
  $("learn").hidden = !midi || !("learn" in commands);
  const waits = Boolean(midi?.learning);
  if (waits) choose(false);
  set($("learn"), "aria-pressed", choosing || waits);
  write($("learn"), waits ? `Move the pedal for ${midi.learning} …` : choosing ? "Touch a control …" : "Learn a pedal");
}

let choosing = false;

function choose(on) {
  choosing = on;
  document.body.classList.toggle("choosing", on);
}

function chosen(event) {
  if (!choosing) return;
  const target = event.target.closest("[data-address], [data-do]");
  if (!target || target.id === "learn") return;
  event.preventDefault();
  event.stopPropagation();
  if (event.type === "click") return;
  link.do(`learn ${target.dataset.address ?? target.dataset.do}`);
  setTimeout(() => { choose(false); showLearning(); }, 300);  // after the click that belongs to this touch
}

function showTuner() {
  const {tuner} = state;
  $("tuner").hidden = !tuner;
  if (!tuner) return;
  const list = $("tunings");
  if (list.length !== tuner.tunings.length) list.replaceChildren(...tuner.tunings.map((name) => make("option", {value: name, textContent: name})));
  list.value = tuner.tuning;
  $("strings").replaceChildren(...tuner.strings.map((name) => make("span", {textContent: name})));
  showPitch({note: ""});
}

function showPitch({note, cents, string, hertz, in_tune: good}) {
  const sounds = Boolean(note), off = Math.min(Math.max(cents ?? 0, -50), 50);
  write($("note"), sounds ? note : "–");
  write($("cents"), sounds ? `${cents > 0 ? "+" : "−"}${Math.abs(cents).toFixed(1)} cents, ${hertz.toFixed(1)} Hz` : "play a string");
  $("tuner").className = !sounds ? "" : good ? "good" : cents < 0 ? "flat" : "sharp";
  $("needle").firstElementChild.style.left = `${50 + off}%`;
  set($("needle"), "aria-valuenow", Math.round(off));
  set($("needle"), "aria-valuetext", sounds ? `${note}, ${good ? "in tune" : `${Math.abs(cents).toFixed(0)} cents ${cents < 0 ? "flat" : "sharp"}`}` : "silent");
  [...$("strings").children].forEach((each, place) => each.classList.toggle("sounds", place + 1 === string));
}

function showMeters(meters) {
  const rows = sides(meters), parent = $("levels");
  while (parent.children.length > rows.length) parent.lastChild.remove();
  while (parent.children.length < rows.length) {
    parent.append(make("div", {className: "level"}, make("span", {className: "side"}),
      make("div", {className: "bar", role: "meter", "aria-valuemin": FLOOR, "aria-valuemax": 0}, make("span")),
      make("span", {className: "figure"}), make("span", {className: "clip", textContent: "CLIP"})));
  }
  rows.forEach(([side, level, clip], place) => {
    const [name, bar, figure, light] = parent.children[place].children;
    const shown = Math.max(level ?? FLOOR, FLOOR);
    write(name, side);
    bar.firstChild.style.transform = `scaleX(${Math.min(1 - shown / FLOOR, 1).toFixed(3)})`;
    set(bar, "class", `bar ${shown >= 0 ? "red" : shown >= -3 ? "yellow" : ""}`);
    set(bar, "aria-label", `${side} level`);
    set(bar, "aria-valuenow", Math.round(Math.min(shown, 0)));
    set(bar, "aria-valuetext", level === null ? "silent" : `${Math.round(level)} dBFS`);
    write(figure, level === null || level < -99 ? "–" : `${level.toFixed(0).replace("-", "−")} dB`);
    light.classList.toggle("lit", clip);
    set(light, "aria-hidden", !clip);
  });
  write($("load"), `load ${Math.round(100 * meters.load)} %, max ${Math.round(100 * meters.load_max)} %`);
  $("load").className = meters.load_max >= HOT ? "red" : meters.load_max >= WARM ? "yellow" : "";
  write($("xruns"), `xruns ${meters.xruns}`);
  $("xruns").className = meters.xruns ? "yellow" : "";
}

for (const kind of ["pointerdown", "click"]) document.addEventListener(kind, chosen, true);
$("learn").addEventListener("click", () => {
  if (state.midi.learning) link.do("learn off");
  choose(!choosing && !state.midi.learning);
  showLearning();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.do) link.do(button.dataset.do);
  if (button?.dataset.file) {
    files.playing = state.blocks.find((each) => each.id === button.dataset.file)?.file;
    files.open(button.dataset.file, button.dataset.plays);
  }
  if (button?.dataset.view) {
    document.body.dataset.view = button.dataset.view;
    for (const each of document.querySelectorAll("nav [data-view]")) {
      if (each === button) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    fit();
  }
});
$("save").addEventListener("click", () => {
  $("name").value = "";
  $("naming").returnValue = "";
  $("naming").showModal();
});
$("cancel").addEventListener("click", () => $("naming").close());
$("naming").addEventListener("close", () => {
  if ($("naming").returnValue === "save") link.do(`save ${$("name").value.trim()}`.trim());
});
$("tunings").addEventListener("change", () => link.do(`tuner ${$("tunings").value}`));
addEventListener("resize", fit);
$("more").addEventListener("toggle", () => { if ($("more").open) $("code").src = "code.svg"; });
history.replaceState(null, "", location.pathname);  // the token stays out of pictures of the screen; the cookie has it

// Where the browser allows it, the screen stays on while the page is looked at.
async function stayAwake() {
  try {
    if (!document.hidden) await navigator.wakeLock?.request("screen");
  } catch { /* the battery is low */ }
}
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
