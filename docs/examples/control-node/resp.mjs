// What control.mjs needs of the package `redis`, with the same names, so that it runs where nothing
// can be installed. In earnest use the package: it knows TLS and passwords, and connects again.
import net from "node:net";

export function createClient({ url }) {
  return new Client(url);
}

class Client {
  #url;
  #socket;
  #unread = Buffer.alloc(0);
  #waiting = []; // for replies, in the order of their commands
  #listeners = new Map();

  constructor(url) {
    this.#url = new URL(url);
  }

  async connect() {
    const { protocol, hostname, port, pathname } = this.#url;
    this.#socket = net.connect(
      protocol === "unix:" ? { path: pathname } : { host: hostname, port: Number(port || 6379) },
    );
    this.#socket.on("data", (data) => this.#read(data));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed")));
    await new Promise((resolve, reject) => {
      this.#socket.once("connect", resolve);
      this.#socket.once("error", reject);
    });
    return this;
  }

  publish(channel, message) {
    return this.#send("PUBLISH", channel, message);
  }

  async subscribe(channel, listener) {
    this.#listeners.set(channel, listener);
    await this.#send("SUBSCRIBE", channel);
  }

  destroy() {
    this.#socket.destroy();
  }

  #send(...words) {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.#socket.write(`*${words.length}\r\n${parts.join("")}`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #read(data) {
    this.#unread = Buffer.concat([this.#unread, data]);
    for (let found; (found = parse(this.#unread, 0)); ) {
      this.#unread = this.#unread.subarray(found.end);
      this.#take(found.value);
    }
  }

  #take(value) {
    if (Array.isArray(value) && value[0] === "message") {
      this.#listeners.get(value[1])(value[2], value[1]);
    } else {
      const { resolve, reject } = this.#waiting.shift();
      value instanceof Error ? reject(value) : resolve(value);
    }
  }

  #fail(error) {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

// One value of the protocol at a place, and where it ends; nothing while some of it is missing.
function parse(buffer, start) {
  const line = buffer.indexOf("\r\n", start);
  if (line < 0) return undefined;
  const text = buffer.toString("utf8", start + 1, line);
  const end = line + 2;
  switch (String.fromCharCode(buffer[start])) {
    case ":":
      return { value: Number(text), end };
    case "-":
      return { value: new Error(text), end };
    case "$":
      return parseText(buffer, end, Number(text));
    case "*":
      return parseList(buffer, end, Number(text));
    default:
      return { value: text, end };
  }
}

function parseText(buffer, start, length) {
  if (length < 0) return { value: null, end: start };
  const end = start + length;
  return buffer.length < end + 2 ? undefined : { value: buffer.toString("utf8", start, end), end: end + 2 };
}

function parseList(buffer, start, length) {
  const value = [];
  let end = start;
  while (value.length < length) {
    const part = parse(buffer, end);
    if (part === undefined) return undefined;
    value.push(part.value);
    end = part.end;
  }
  return { value, end };
}
