// The first page: shows each snapshot of /api/live, ticks the clocks between them, speaks Chinese and English.
import { words } from "./words.js";

const WAITING = new Set(["waiting", "offered", "net"]);
const $ = (id) => document.getElementById(id);

let language = remembered() ?? (navigator.language.toLowerCase().startsWith("en") ? "en" : "zh");
let snapshot = null;
let clockOffset = 0; // the server's clock minus ours, seconds
let target = Infinity; // seconds of the headline's definition: longer waits are marked
let live = false;
let lostDetail = null;

function remembered() {
  try {
    const kept = localStorage.getItem("hotline.language");
    return kept in words ? kept : null;
  } catch {
    return null; // storage may be forbidden; the page works without
  }
}

const text = (key) => words[language][key] ?? words.zh[key] ?? key;
const word = (group, key) => words[language][group][key] ?? key;
let stoodAt = null; // the server's time when the connection was lost: from then on the clocks stand still
const serverNow = () => stoodAt ?? Date.now() / 1000 + clockOffset;

function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

const percent = (value) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(1)} %`);

// ---------------------------------------------------------------- writing into the page, only what differs

function put(element, value) {
  const shown = String(value ?? "");
  if (element.textContent !== shown) element.textContent = shown;
}

function since(element, start) {
  if (start === null || start === undefined) {
    delete element.dataset.since;
    return;
  }
  element.dataset.since = start;
  put(element, duration(serverNow() - start));
}

// A cell is a text, or {text, since, state, title}: `since` makes it count, `state` gives it a coloured mark.
// `limit` marks it as late when it has counted so many seconds.
function fill(cell, content) {
  const wanted = content !== null && typeof content === "object" ? content : { text: content };
  let target = cell;
  if (wanted.state) {
    target = cell.querySelector(".state") ?? cell.appendChild(document.createElement("span"));
    target.className = `state ${wanted.state}`;
  }
  if (wanted.limit) target.dataset.limit = wanted.limit;
  else delete target.dataset.limit;
  if (wanted.since !== undefined && wanted.since !== null) since(target, wanted.since);
  else {
    delete target.dataset.since;
    put(target, wanted.text);
  }
  cell.classList.toggle("late", Boolean(wanted.late));
}

function table(id, rows) {
  const body = $(id).tBodies[0];
  const columns = $(id).tHead.rows[0].cells;
  const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const shown = rows.map(({ key, cells, faded }) => {
    const row = old.get(key) ?? document.createElement("tr");
    row.dataset.key = key;
    row.classList.toggle("faded", Boolean(faded));
    cells.forEach((content, index) => {
      let cell = row.cells[index];
      if (!cell) {
        cell = row.appendChild(document.createElement(index ? "td" : "th"));
        if (!index) cell.scope = "row";
        cell.className = columns[index].className;
      }
      fill(cell, content);
    });
    return row;
  });
  if (!shown.length) {
    const row = old.get("") ?? document.createElement("tr");
    row.dataset.key = "";
    const cell = row.cells[0] ?? row.appendChild(document.createElement("td"));
    cell.colSpan = columns.length;
    cell.className = "none";
    put(cell, text("none"));
    shown.push(row);
  }
  // Rows that stay where they are are not touched, so that a selection or a screen reader's place survives.
  const keep = new Set(shown);
  for (const row of [...body.rows]) if (!keep.has(row)) row.remove();
  shown.forEach((row, index) => {
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
}

// ---------------------------------------------------------------- what the page shows

// Asterisk's Uniqueid is <system>-<epoch>.<sequence>: the last digits of the one and the other tell calls apart.
function shortCall(call) {
  const parts = /([0-9]{4})[.]([0-9]+)$/.exec(call);
  return parts ? `${parts[1]}.${parts[2]}` : call.slice(-12);
}

// Live calls first, in the order of their arrival; then the ended ones, the latest first.
function inOrder(calls) {
  const ended = (call) => call.state === "ended";
  const live = calls.filter((call) => !ended(call)).sort((one, two) => one.arrived_at - two.arrived_at);
  return [...live, ...calls.filter(ended).sort((one, two) => two.since - one.since)];
}

function queueName(id) {
  const queue = snapshot.queues.find((row) => row.queue === id);
  return queue ? (language === "en" ? queue.name_en : queue.name_zh) : (id ?? "–");
}

function showTiles() {
  const headline = snapshot.service_levels.find((row) => row.queue === null);
  const described = headline && snapshot.definitions[headline.definition];
  target = described?.threshold_s ?? Infinity;
  put($("rate"), percent(headline?.value));
  put($("rate-title"), described ? described.title[language] : text("rate"));
  put($("rate-parts"), headline ? `${headline.numerator} / ${headline.denominator}` : "");
  put($("rate-name"), headline?.definition);
  put($("rate-formula"), described?.formula[language]);
  put($("waiting"), snapshot.waiting);
  put($("talking"), snapshot.talking);
  put($("ready"), snapshot.agents.filter((agent) => agent.state === "ready" && agent.phone && agent.use === "idle").length);
  put($("ready-of"), ` / ${snapshot.agents.filter((agent) => agent.state !== "offline").length}`);
  const starts = snapshot.queues.map((queue) => queue.waiting_since).filter((start) => start !== null);
  if (starts.length) since($("longest"), Math.min(...starts));
  else {
    since($("longest"), null);
    put($("longest"), "00:00");
  }
}

function showQueues() {
  const headline = snapshot.service_levels.find((row) => row.queue === null)?.definition;
  table(
    "queues",
    snapshot.queues.map((queue) => ({
      key: queue.queue,
      cells: [
        queue.unserved
          ? { text: `${queueName(queue.queue)} · ${text("unserved")}`, late: true }
          : queueName(queue.queue),
        queue.waiting,
        queue.waiting_since === null ? "–" : { since: queue.waiting_since },
        queue.talking,
        queue.agents_ready,
        percent(
          snapshot.service_levels.find((row) => row.queue === queue.queue && row.definition === headline)?.value,
        ),
      ],
    })),
  );
}

// A reason by the name that the hotline gave it, else by the page's own word.
function reasonName(reason) {
  const own = (snapshot.reasons ?? []).find((row) => row.reason === reason);
  return own?.[language === "en" ? "name_en" : "name_zh"] || word("reasons", reason);
}

// The agent's state is his, what his phone does is told beside it: ready with a phone in use gets no call.
function agentState(agent) {
  const parts = [word("agent_states", agent.state)];
  if (agent.reason) parts.push(reasonName(agent.reason));
  if (agent.state === "ready" && agent.use !== "idle") parts.push(text("phone_in_use"));
  if (agent.seat_taken_by && !agent.seat) parts.push(text("seat_taken_by").replace("{0}", agent.seat_taken_by));
  if (agent.overrun) parts.push(text("overrun"));
  if (agent.forced_by) parts.push(text("forced"));
  if (agent.heard) parts.push(text("heard"));
  return parts.join(" · ");
}

function showIncidents() {
  const held = snapshot.incidents ?? [];
  const list = $("incidents");
  list.hidden = !held.length;
  while (list.children.length > held.length) list.lastChild.remove();
  while (list.children.length < held.length) list.appendChild(document.createElement("li"));
  held.forEach((one, index) => {
    const kind = word("incident_kinds", one.kind);
    const until = one.until ? clockText(one.until) : "–";
    const where = [one.area, one.queue, one.number].filter(Boolean).join(" · ");
    const said = [kind, where || text("everywhere"), until, one.registered];
    put(list.children[index], said.reduce((line, part, at) => line.replace(`{${at}}`, part), text("incident")));
  });
}

// Alerts that stand, the gravest first; one that nobody has seen yet says so.
function showAlerts() {
  const standing = snapshot.alerts ?? [];
  const list = $("alerts");
  list.hidden = !standing.length;
  list.classList.toggle("bad", standing.some((one) => one.severity === "critical"));
  list.classList.toggle("warn", !standing.some((one) => one.severity === "critical"));
  while (list.children.length > standing.length) list.lastChild.remove();
  while (list.children.length < standing.length) list.appendChild(document.createElement("li"));
  standing.forEach((one, index) => {
    const seen = one.acknowledged_at ? text("acknowledged").replace("{0}", one.acknowledged_by) : text("unacknowledged");
    const parts = [clockText(one.raised_at), word("severities", one.severity), one.message[language], seen];
    put(list.children[index], parts.join(" · "));
  });
}

function showWindows() {
  const rows = snapshot.windows ?? [];
  const names = [...new Set(rows.map((row) => row.window))];
  $("windows-panel").hidden = !names.length;
  const of = (window, definition) => rows.find((row) => row.window === window && row.definition === definition);
  table(
    "windows",
    names.map((name) => {
      const rate = of(name, "sl15.offered.v1");
      const wait = of(name, "wait.v1")?.value;
      return {
        key: name,
        cells: [
          word("window_names", name),
          percent(rate?.value),
          percent(of(name, "connect.v1")?.value),
          wait === null || wait === undefined ? "–" : `${wait.toFixed(1)} s`,
          rate ? rate.denominator : "–",
        ],
      };
    }),
  );
}

function showNotices() {
  const notices = (snapshot.notices ?? []).slice(-8).reverse();
  $("news").hidden = !notices.length;
  const shown = notices.map((notice) => {
    const detail = notice.what === "overrun" ? reasonName(notice.detail) : notice.detail;
    const said = word("notices", notice.what).replace("{0}", notice.agent || "–").replace("{1}", detail);
    return `${clockText(notice.at)} ${said}`;
  });
  const list = $("notice-list");
  while (list.children.length > shown.length) list.lastChild.remove();
  while (list.children.length < shown.length) list.appendChild(document.createElement("li"));
  shown.forEach((line, index) => put(list.children[index], line));
}

function showAgents() {
  table(
    "agents",
    snapshot.agents.map((agent) => ({
      key: agent.agent,
      faded: agent.state === "offline",
      cells: [
        agent.seat && agent.seat !== agent.agent ? `${agent.agent} @ ${agent.seat}` : agent.agent,
        agent.name,
        { state: agent.state, text: agentState(agent) },
        agent.state === "offline" ? "–" : { since: agent.since, limit: agent.limit_s, late: agent.overrun },
        agent.call ? shortCall(agent.call) : "–",
      ],
    })),
  );
}

function callWait(call) {
  if (call.wait_s !== null) return { text: duration(call.wait_s), late: call.wait_s > target };
  if (WAITING.has(call.state) && call.queued_at !== null) return { since: call.queued_at };
  return "–";
}

function showCalls() {
  table(
    "calls",
    inOrder(snapshot.calls).map((call) => ({
      key: call.call,
      faded: call.state === "ended",
      cells: [
        shortCall(call.call),
        call.menu_path.map((step) => word("steps", step)).join(" › ") || "–",
        call.queue === null ? "–" : queueName(call.queue),
        {
          state: call.state,
          text: call.outcome ? word("outcomes", call.outcome) : word("call_states", call.state),
        },
        callWait(call),
        call.agent ?? "–",
      ],
    })),
  );
}

function show() {
  document.documentElement.lang = language === "en" ? "en" : "zh-Hans";
  document.title = `12345 ${text("title")}`;
  for (const element of document.querySelectorAll("[data-text]")) put(element, text(element.dataset.text));
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
  const other = language === "en" ? "zh" : "en";
  put($("language"), words[other].own_name);
  $("language").lang = other === "en" ? "en" : "zh-Hans";
  showLost();
  if (!snapshot) return;
  $("exchange").hidden = snapshot.connected || !live;
  showTiles();
  showQueues();
  showAgents();
  showCalls();
  showAlerts();
  showWindows();
  showIncidents();
  showNotices();
  const { offered, answered, abandoned } = snapshot.counters;
  put($("day"), text("day").replace("{0}", offered).replace("{1}", answered).replace("{2}", abandoned));
  tick();
}

function showLost() {
  const lost = !live && lostDetail !== null;
  $("lost").hidden = !lost;
  document.body.classList.toggle("stale", lost);
  if (!lost) return;
  const at = snapshot ? text("as_of").replace("{0}", clockText(snapshot.now)) : "";
  put($("lost-detail"), [lostDetail?.[language] ?? text("reconnecting"), at].filter(Boolean).join(" "));
}

function clockText(epoch) {
  return new Date(epoch * 1000).toLocaleTimeString(language === "en" ? "en-GB" : "zh-CN", { hour12: false });
}

function tick() {
  if (!live) return; // what is not known any more does not go on counting
  put($("clock"), clockText(serverNow()));
  for (const element of document.querySelectorAll("[data-since]")) {
    put(element, duration(serverNow() - Number(element.dataset.since)));
  }
  for (const element of document.querySelectorAll("#longest, #queues [data-since], #calls [data-since]")) {
    const waited = element.dataset.since ? serverNow() - Number(element.dataset.since) : 0;
    element.classList.toggle("late", waited > target);
  }
  for (const element of document.querySelectorAll("[data-limit][data-since]")) {
    const limit = Number(element.dataset.limit);
    element.classList.toggle("late", serverNow() - Number(element.dataset.since) > limit);
  }
}

// ---------------------------------------------------------------- the live stream

const RETRY_MS = 2000;
const BEAT_GRACE = 2.5; // so many heartbeats may be late before the connection counts as dead
let source = null;
let watchdog = 0;

function alive(beatSeconds) {
  clearTimeout(watchdog);
  watchdog = setTimeout(reconnect, beatSeconds * BEAT_GRACE * 1000);
}

function lose(detail = {}) {
  stoodAt ??= serverNow();
  live = false;
  lostDetail = detail;
  $("main").setAttribute("aria-busy", "true");
  show();
}

function reconnect() {
  source?.close();
  lose();
  connect();
}

// EventSource does not tell why it was refused; an ordinary request does.
async function whyRefused() {
  try {
    const answer = await fetch("/api/overview", { cache: "no-store" });
    return answer.ok ? {} : ((await answer.json()).message ?? {});
  } catch {
    return {};
  }
}

function connect() {
  let beat = 10;
  source = new EventSource("/api/live");
  alive(beat);
  source.addEventListener("beat", (event) => {
    beat = Number(event.data) || beat;
    alive(beat);
  });
  source.addEventListener("message", (event) => {
    alive(beat);
    snapshot = JSON.parse(event.data);
    stoodAt = null;
    clockOffset = snapshot.now - Date.now() / 1000;
    live = true;
    lostDetail = null;
    $("main").setAttribute("aria-busy", "false");
    show();
  });
  source.addEventListener("error", async () => {
    const refused = source.readyState === EventSource.CLOSED; // otherwise the browser tries again by itself
    lose();
    if (!refused) return;
    clearTimeout(watchdog);
    lose(await whyRefused());
    setTimeout(connect, RETRY_MS);
  });
}

$("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem("hotline.language", language);
  } catch {
    // not remembered then
  }
  show();
});

show();
connect();
setInterval(tick, 1000);
