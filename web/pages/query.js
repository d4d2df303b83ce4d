// The citizen's page: asks how a ticket stands, in Chinese or English. What comes back is put in as text, never as markup.

const words = {
  zh: {
    own_name: "简体中文", locale: "zh-CN", title: "工单查询",
    lead: "输入工单号和验证信息，查看办理进度和结果。",
    number: "工单号", number_hint: "受理时告诉您的编号",
    proof: "来电号码后四位，或八位查询码",
    proof_hint: "用查询码还能看到您反映的内容；匿名、保密的工单只能用查询码查询。",
    ask: "查询", asking: "正在查询…", away: "暂时无法查询，请稍后再试，或拨打 12345。",
    no_match: "没有找到相符的工单，请核对工单号和验证信息。",
    opened: "受理时间", unit: "承办单位", due: "办理期限", overdue: "已超期", resolved: "办结时间",
    reply: "办理结果", matter: "您反映的问题", progress: "办理进度",
    zone: "时间为热线所在地时间（{0}）。", help: "有疑问请拨打 12345。",
    stages: { accepted: "受理", dispatched: "派单", handling: "办理", replied: "审核", resolved: "办结" },
    types: { inquiry: "咨询", help: "求助", complaint: "投诉", report: "举报", suggestion: "建议", praise: "表扬" },
  },
  en: {
    own_name: "English", locale: "en-GB", title: "Track your ticket",
    lead: "Enter your ticket number and a proof that it is yours to see its progress and result.",
    number: "Ticket number", number_hint: "The number you were given when we took your request",
    proof: "Last four digits of the phone you called from, or your eight-digit code",
    proof_hint: "The code also shows what you told us. Anonymous and confidential tickets are shown for the code only.",
    ask: "Check status", asking: "Checking…", away: "We cannot look this up right now. Please try again later, or call 12345.",
    no_match: "No ticket matches. Please check the number and the proof.",
    opened: "Received", unit: "Handled by", due: "Due by", overdue: "overdue", resolved: "Closed",
    reply: "Result", matter: "What you told us", progress: "Progress",
    zone: "Times are local times of the hotline ({0}).", help: "Any questions? Call 12345.",
    stages: { accepted: "Received", dispatched: "Assigned", handling: "Handling", replied: "Review", resolved: "Closed" },
    types: {
      inquiry: "Inquiry", help: "Request for help", complaint: "Complaint", report: "Report", suggestion: "Suggestion",
      praise: "Praise",
    },
  },
};

const $ = (id) => document.getElementById(id);
let language = remembered() ?? (navigator.language.toLowerCase().startsWith("en") ? "en" : "zh");
let ticket = null;
let message = null; // the key of one of our words, or {zh, en} as the hotline answered
let busy = false;

function remembered() {
  try {
    const kept = localStorage.getItem("hotline.language");
    return kept in words ? kept : null;
  } catch {
    return null; // storage may be forbidden; the page works without
  }
}

const text = (key) => words[language][key];

function instant(seconds, style) {
  const options = { timeZone: ticket.timezone, hourCycle: "h23", ...style };
  return new Intl.DateTimeFormat(text("locale"), options).format(seconds * 1000);
}

const when = (seconds) => instant(seconds, { dateStyle: "medium", timeStyle: "short" });

function zoneName() {
  const parts = new Intl.DateTimeFormat(text("locale"), { timeZone: ticket.timezone, timeZoneName: "long" });
  return parts.formatToParts(ticket.opened_at * 1000).find((part) => part.type === "timeZoneName").value;
}

// What is not known is not shown, with its heading.
function put(id, value) {
  $(id).textContent = value;
  const row = $(id).closest("dl > div, section");
  if (row) row.hidden = !value;
}

function item(parts) {
  const row = document.createElement("li");
  for (const [name, value, kind] of parts) {
    if (!value) continue;
    const part = document.createElement(name);
    part.textContent = value;
    if (kind) part.className = kind;
    row.append(part);
  }
  return row;
}

function showStages() {
  const all = Object.keys(text("stages"));
  const atOnce = ticket.status === "resolved" && !ticket.steps.some((step) => step.unit_zh);
  const names = atOnce ? [all[0], all.at(-1)] : all; // answered at once: no department had it
  const at = names.indexOf(ticket.status);
  $("stages").hidden = at < 0; // a merged ticket goes another way
  $("stages").replaceChildren(...names.map((name, index) => {
    const stage = item([["span", text("stages")[name]]]);
    stage.className = index < at || ticket.status === "resolved" ? "done" : index === at ? "now" : "ahead";
    if (index === at) stage.setAttribute("aria-current", "step");
    return stage;
  }));
}

function showTicket() {
  $("ticket").hidden = !ticket;
  if (!ticket) return;
  $("ticket").dataset.status = ticket.status;
  put("shown-number", ticket.number);
  put("type", text("types")[ticket.type] ?? "");
  put("status", ticket[language]);
  showStages();
  put("opened", when(ticket.opened_at));
  put("unit", ticket[`unit_${language}`]);
  const late = ticket.due !== null && ticket.due * 1000 < Date.now();
  put("due", ticket.due === null ? "" : when(ticket.due) + (late ? ` · ${text("overdue")}` : ""));
  $("due").classList.toggle("late", late);
  const done = ticket.resolved_at !== null && ticket.status !== "withdrawn"; // its steps say when it was withdrawn
  put("resolved", done ? when(ticket.resolved_at) : "");
  put("reply", ticket.reply);
  put("matter", [ticket.title, ticket.text].filter(Boolean).join("\n"));
  $("steps").replaceChildren(...ticket.steps.map((step) => item([
    ["time", when(step.at)], ["strong", step[language]], ["span", step[`unit_${language}`], "unit"],
  ])));
  put("zone", text("zone").replace("{0}", zoneName()));
}

function show() {
  document.documentElement.lang = language === "en" ? "en" : "zh-Hans";
  document.title = `12345 ${text("title")}`;
  const other = language === "en" ? "zh" : "en";
  $("language").textContent = words[other].own_name;
  $("language").lang = other === "en" ? "en" : "zh-Hans";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  const button = document.querySelector("#query button");
  button.disabled = busy;
  if (busy) button.textContent = text("asking");
  $("message").textContent = message === null ? "" : message[language] ?? text(message);
  showTicket();
}

async function asked(body) {
  try {
    const response = await fetch("/api/public/tickets/query", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const answer = await response.json();
    [ticket, message] = response.ok ? [answer, null] : [null, answer.error in words.zh ? answer.error : answer.message];
  } catch {
    [ticket, message] = [null, "away"];
  }
}

async function ask(event) {
  event.preventDefault();
  if (busy) return;
  [busy, ticket, message] = [true, null, null];
  show();
  await asked({ number: $("number").value, proof: $("proof").value });
  busy = false;
  show();
  if (ticket) $("ticket").focus();
}

// Numbers are typed and pasted with blanks, hyphens and full-width digits.
function tidy(event) {
  const tidied = event.target.value.normalize("NFKC").replace(/[\s-]/g, "");
  if (tidied !== event.target.value) event.target.value = tidied;
}

$("query").addEventListener("submit", ask);
for (const id of ["number", "proof"]) $(id).addEventListener("change", tidy);
$("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem("hotline.language", language);
  } catch { /* not remembered then */ }
  show();
});
show();
