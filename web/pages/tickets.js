// The list of open tickets for a unit or a supervisor, with what was reminded of, live.
// The stream is read with fetch, because EventSource cannot send a token. All that comes is put in as text.

const field = (id) => document.getElementById(id);
const ACTS = { soon: "临期 / due soon", remind: "催办 / reminded", escalate: "提级 / escalated" };
const RETRY_MS = 2000;

const seen = new Map(); // of each ticket the numbers of the reminders that are shown
let token = "";
let last = null;
let clock = null; // writes times as they are at the hotline, wherever the browser is
let units = new Map(); // id -> name

const language = remembered() ?? (navigator.language.toLowerCase().startsWith("en") ? "en" : "zh");

function remembered() {
  try {
    const kept = localStorage.getItem("hotline.language");
    return ["zh", "en"].includes(kept) ? kept : null;
  } catch {
    return null; // storage may be forbidden; the page works without
  }
}

const when = (seconds) => (seconds ? clock.format(seconds * 1000) : "");

// The hotline's time zone, and what its units are called.
async function learn() {
  const { timezone } = await (await ask("/api/calendar")).json();
  const { organisations } = await (await ask("/api/organisations")).json();
  const style = { dateStyle: "medium", timeStyle: "short", hourCycle: "h23", timeZone: timezone };
  clock = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "zh-CN", style);
  units = new Map(organisations.map((one) => [one.id, (language === "en" && one.name_en) || one.name]));
}

function say(text) {
  field("message").textContent = text;
}

async function ask(path, headers = {}) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}`, ...headers }, cache: "no-store" });
  if (answer.ok) return answer;
  const told = await answer.json();
  throw Object.assign(new Error(`${told.message.zh} / ${told.message.en}`), { final: answer.status < 500 });
}

function remind(number, one) {
  const cell = document.querySelector(`[data-ticket="${CSS.escape(number)}"] ul`);
  const shown = seen.get(number);
  if (!cell || shown.has(one.no)) return;
  shown.add(one.no);
  const item = document.createElement("li");
  item.className = one.act;
  item.textContent = `${ACTS[one.act]} ${when(one.made_at)}`;
  cell.append(item);
}

function row(ticket) {
  const line = document.createElement("tr");
  line.dataset.ticket = ticket.number;
  const due = ticket.state === "dispatched" ? ticket.sign_due : ticket.handle_due;
  for (const text of [ticket.number, ticket.title || ticket.text.slice(0, 60), units.get(ticket.lead_unit) ?? ticket.lead_unit ?? "", when(due)]) {
    line.insertCell().textContent = text;
  }
  line.insertCell().append(document.createElement("ul"));
  return line;
}

async function list() {
  const body = document.querySelector("#list tbody");
  const rows = [];
  const reminders = [];
  let after = "";
  do {
    const page = await (await ask(`/api/tickets?state=open${after}`)).json();
    for (const ticket of page.tickets) {
      rows.push(row(ticket));
      reminders.push([ticket.number, ticket.reminders]);
    }
    after = page.next ? `&after=${page.next}` : "";
  } while (after);
  seen.clear();
  body.replaceChildren(...rows);
  for (const [number, made] of reminders) {
    seen.set(number, new Set());
    for (const one of made) remind(number, one);
  }
  field("list").hidden = false;
}

async function take(event) {
  for (const line of event.split("\n")) {
    if (line.startsWith("id: ")) last = line.slice(4);
    if (!line.startsWith("data: ")) continue;
    const one = JSON.parse(line.slice(6));
    if (!seen.has(one.ticket)) await list(); // a ticket that came after the list was read
    if (seen.has(one.ticket)) remind(one.ticket, one);
  }
}

async function follow() {
  const answer = await ask("/api/reminders/live", last === null ? {} : { "Last-Event-ID": last });
  await learn();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  await list(); // after the stream has begun: nothing falls between the two
  say("");
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) await take(event);
  }
}

async function enter(event) {
  event.preventDefault();
  token = field("token").value.trim();
  field("enter").hidden = true;
  for (;;) {
    try {
      await follow();
    } catch (error) {
      say(error.message);
      if (error.final) {
        field("enter").hidden = false;
        return;
      }
    }
    say("连接已断开, 正在重连 / the connection is lost; trying again");
    await new Promise((again) => setTimeout(again, RETRY_MS));
  }
}

field("enter").addEventListener("submit", enter);
