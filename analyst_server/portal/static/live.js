// Keep the list fresh over the same WebSocket protocol that every device speaks, marks included. Without this script the page works by its forms.
"use strict";
const section = document.getElementById("notifications");
const list = document.getElementById("list");
const live = document.getElementById("live");
const cursor = { epoch: section.dataset.epoch, seq: Number(section.dataset.seq) };
let socket = null;
let delayMs = 1000;
let refreshing = false;
let stale = false;
let refusedAt = 0;
let leaving = false; // a form leads to another page: signing out ends this session first, and its answer tells so

async function refresh() {
  if (refreshing) { stale = true; return; }
  refreshing = true;
  stale = false;
  let shown = false;
  try {
    const answer = await fetch("/notifications", { headers: { Accept: "text/html" }, redirect: "error" });
    if (answer.ok) { show(await answer.text()); shown = true; }
  } catch { /* the server is away */ }
  refreshing = false;
  if (stale || !shown) setTimeout(() => { if (!document.hidden) refresh(); }, shown ? 250 : 2000); // no later event may come
}

function show(html) {
  const open = new Set([...list.querySelectorAll("details[open]")].map((each) => each.closest("li").dataset.id));
  const focused = document.activeElement?.closest?.("li")?.dataset.id;
  list.innerHTML = html;
  title();
  tellTimes();
  for (const item of list.querySelectorAll("li[data-id]")) {
    if (open.has(item.dataset.id)) item.querySelector("details").open = true;
    if (item.dataset.id === focused) item.querySelector("summary").focus();
  }
}

function title() {
  const unread = list.querySelectorAll("li.unread").length;
  document.title = document.title.replace(/^(\(\d+\) )?/, unread ? `(${unread}) ` : "");
}

function tellTimes() { // "2 minutes ago" grows old on a page that stays open
  const words = new Intl.RelativeTimeFormat("en");
  for (const each of list.querySelectorAll("summary time")) {
    const moment = new Date(each.dateTime), minutes = Math.floor((Date.now() - moment) / 60000);
    each.title = moment.toLocaleString();
    if (minutes < 1) continue;
    each.textContent = minutes < 60 ? words.format(-minutes, "minute")
      : minutes < 1440 ? words.format(-Math.floor(minutes / 60), "hour") : words.format(-Math.floor(minutes / 1440), "day");
  }
}

function tell(words) {
  live.textContent = words;
  live.className = words === "Live" ? "hint on" : "hint";
}

async function connect() {
  let token;
  try {
    const answer = await fetch("/api/desktop/live-token", { method: "POST", redirect: "error" });
    if (answer.status === 401) { if (!leaving) location.reload(); return; }
    if (!answer.ok) throw new Error();
    token = (await answer.json()).token;
  } catch { again(); return; }
  socket = new WebSocket(section.dataset.ws);
  socket.onopen = () => send({ type: "auth", token, protocol: 2, device: section.dataset.device, client: "portal", since: cursor });
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = (event) => {
    socket = null;
    const now = Date.now();
    if (event.code === 4401 && now - refusedAt > 60000) { // the short token has ended, or the session: asking for another tells which
      refusedAt = now;
      connect();
    } else if (event.code === 4429) tell("Not live: too many of your devices are connected");
    else again();
  };
}

function send(message) { socket.send(JSON.stringify(message)); }

function receive(message) {
  if (["notification", "state", "replay_done"].includes(message.type)) cursor.seq = Math.max(cursor.seq, message.seq);
  switch (message.type) {
    case "ping": send({ type: "pong" }); break;
    case "auth_ok":
      delayMs = 1000;
      tell("Live");
      if (message.recovered === false) { cursor.epoch = message.epoch; cursor.seq = message.seq; refresh(); }
      break;
    case "notification": case "state": refresh(); break;
  }
}

function again() {
  tell(document.hidden ? "" : "Not connected; trying again");
  if (document.hidden) return;
  setTimeout(() => { if (!socket && !document.hidden) connect(); }, Math.random() * delayMs);
  delayMs = Math.min(delayMs * 2, 30000);
}

list.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-mark]");
  if (!form || !socket || socket.readyState !== WebSocket.OPEN) return;
  event.preventDefault();
  const ids = form.dataset.ids ? [form.dataset.ids] : [...list.querySelectorAll("li.unread")].map((item) => item.dataset.id);
  send({ type: "mark", ref: crypto.randomUUID?.() ?? String(Math.random()), ids, state: form.dataset.mark });
});

document.addEventListener("submit", (event) => {
  leaving = !event.defaultPrevented;
  if (leaving) setTimeout(() => { leaving = false; }, 10000); // the next page has not come
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) socket?.close();
  else if (!socket) { refresh(); connect(); }
});

tellTimes();
setInterval(tellTimes, 60000);
connect();
