// The connection to the player: it returns by itself, and what is sent is answered.

const SILENCE = 5000;  // ms: the player sends something every two seconds
const PATIENCE = [100, 250, 500, 1000, 2000];  // ms before each further try

export class Link {
  // `on` has the functions state, change, meters, pitch, said, online and offline.
  constructor(on) {
    this.on = on;
    this.tries = 0;
    this.number = 0;
    this.open();
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("online", () => this.again());
  }

  get ready() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  // Returns the number of the command, which its answer bears; 0 without a connection.
  do(line) {
    if (!this.ready) return 0;
    this.number += 1;
    this.socket.send(JSON.stringify({do: line, id: this.number}));
    return this.number;
  }

  // A page that nobody sees asks for no meters.
  look() {
    if (this.ready) this.socket.send(JSON.stringify({meters: !document.hidden}));
    else if (!document.hidden) this.again();
  }

  open() {
    const socket = this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.onopen = () => this.look();
    socket.onmessage = (event) => {
      this.wait(socket);
      this.take(JSON.parse(event.data));
    };
    socket.onclose = () => this.lost(socket);
    this.wait(socket);
  }

  // A phone that left the network is not told so: silence is a lost connection.
  wait(socket) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(socket), SILENCE);
  }

  take(message) {
    if (message.state) {
      this.tries = 0;
      this.on.state(message.state, message.commands);
      this.on.online();
    }
    if (message.change) this.on.change(message.change);
    if (message.meters) this.on.meters(message.meters);
    if (message.pitch) this.on.pitch(message.pitch);
    for (const answer of message.said || []) this.on.said(answer);
  }

  async lost(socket) {
    if (socket !== this.socket) return;
    this.socket = {readyState: WebSocket.CLOSED};
    clearTimeout(this.silence);
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.on.offline("No connection to the player. Trying again …");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.again(), PATIENCE[Math.min(this.tries++, PATIENCE.length - 1)]);
    try {
      const answer = await fetch("icon.svg", {method: "HEAD", cache: "no-store"});
      if (answer.status === 401) this.on.offline("This page needs its token: scan the code of the player again.");
    } catch { /* the player is away */ }
  }

  again() {
    clearTimeout(this.timer);
    if (this.socket.readyState === WebSocket.CLOSED) this.open();
  }
}
