// Submit a task, follow it, and kill it, from Node.js, with nothing but PUBLISH and SUBSCRIBE.
//
//     node control.mjs KIND [CONTEXT]
import { randomUUID } from "node:crypto";
import { createClient } from "./resp.mjs"; // or from "redis": the rest stays as it is

const url = process.env.VALKEY_URL ?? "redis://localhost:6379";
const prefix = process.env.MUSTERD_PREFIX ?? "orchestrator";
const [kind, context = "null"] = process.argv.slice(2);

const sender = await createClient({ url }).connect();
const listener = await createClient({ url }).connect(); // a subscribed connection sends nothing else

// Replies are heard by those alone who listen before they ask: one channel, for all our commands.
const replyTo = `${prefix}:reply:${randomUUID()}`;
const waiting = new Map();
await listener.subscribe(replyTo, (text) => {
  const reply = JSON.parse(text);
  waiting.get(reply.id)?.(reply); // each daemon answers, and all agree; the first one will do
  waiting.delete(reply.id);
});

// Send a command; its result, or an error with the code that the contract lists.
async function command(fields, seconds = 10) {
  const id = randomUUID();
  const answered = new Promise((resolve) => waiting.set(id, resolve));
  const heard = await sender.publish(`${prefix}:control`, JSON.stringify({ ...fields, id, replyTo }));
  if (heard === 0) throw new Error("no daemon is listening");
  const reply = await Promise.race([answered, late(`${fields.command}: no reply`, seconds)]);
  if (!reply.ok) throw Object.assign(new Error(reply.error.message), { code: reply.error.code });
  return reply.result;
}

// The next event that `wanted` accepts. The channel keeps nothing: begin before you cause it.
const wishes = new Set();
await listener.subscribe(`${prefix}:events`, (text) => {
  const event = JSON.parse(text);
  for (const wish of wishes) if (wish.wanted(event)) wishes.delete(wish), wish.resolve(event);
});
function next(wanted, seconds = 30) {
  const event = new Promise((resolve) => wishes.add({ wanted, resolve }));
  return Promise.race([event, late("no such event", seconds)]);
}

function late(problem, seconds) {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${problem} within ${seconds} s`)), seconds * 1000).unref();
  });
}

try {
  const taskId = `node-${randomUUID()}`;
  const running = next((event) => event.type === "agent.running" && event.taskId === taskId);
  console.log("spawn", await command({ command: "spawn", kind, taskId, context: JSON.parse(context) }));
  const { agentId, node } = await running;
  console.log("running", agentId, "on", node);

  const killed = next((event) => event.type === "agent.killed" && event.agentId === agentId);
  console.log("kill", await command({ command: "kill", taskId, reason: "enough" }));
  console.log("killed", (await killed).error); // told only once its last process is gone
} catch (error) {
  console.error(`${error.code ?? "error"}: ${error.message}`);
  process.exitCode = 1;
} finally {
  sender.destroy();
  listener.destroy();
}
