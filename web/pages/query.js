// The citizen's page: asks how a ticket stands. What comes back is put in as text, never as markup.

const field = (id) => document.getElementById(id);
const when = (seconds) => new Date(seconds * 1000).toLocaleString();

function show(id, text) {
  field(id).textContent = text;
  const row = field(`${id}-row`);
  if (row) row.hidden = !text;
}

async function ask(event) {
  event.preventDefault();
  field("ticket").hidden = true;
  field("message").textContent = "……";
  const body = JSON.stringify({ number: field("number").value.trim(), proof: field("proof").value.trim() });
  let response, found;
  try {
    response = await fetch("/api/public/tickets/query", {
      method: "POST", headers: { "Content-Type": "application/json" }, body,
    });
    found = await response.json();
  } catch {
    field("message").textContent = "暂时无法查询, 请稍后再试 / no connection; try again later";
    return;
  }
  if (!response.ok) {
    field("message").textContent = `${found.message.zh} / ${found.message.en}`;
    return;
  }
  field("message").textContent = "";
  field("status").textContent = `${found.zh} / ${found.en}`;
  show("opened", when(found.opened_at));
  show("due", found.due ? when(found.due) : "");
  show("problem", [found.title, found.text].filter(Boolean).join("\n"));
  show("reply", found.reply);
  field("steps").replaceChildren(...found.steps.map((step) => {
    const item = document.createElement("li");
    item.textContent = `${when(step.at)}  ${step.zh} / ${step.en}`;
    return item;
  }));
  field("ticket").hidden = false;
}

field("query").addEventListener("submit", ask);
