// The live page: keeps the likes, the texts and the list of events as the stream tells them. Without it the page still reads and likes.

import { byId, say, showLikes, toast } from "../examples/page.js";

const main = document.getElementById("main");
const status = document.getElementById("status");
const KEPT = 100; // lines in the list of events
let source = null;
let lastPassed = ""; // the id of the last event seen, for a stream that we open ourselves
let retry = 0;
let wasLost = false;

const shown = () => [...document.querySelectorAll("#quotes .quote")].map((quote) => quote.dataset.id);

// ---- the connection

function connection(state, text) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  byId("status-text").textContent = text;
}

// ---- what the stream tells

function onQuote({ id, likes, words, author, gone }) {
  const quote = byId(`quote-${id}`);
  if (!quote) return;
  quote.classList.toggle("gone", Boolean(gone));
  for (const button of quote.querySelectorAll("button")) button.disabled = Boolean(gone);
  if (gone) {
    say("A quote on this page was removed.");
    return;
  }
  const text = quote.querySelector("blockquote");
  const caption = quote.querySelector("figcaption");
  if (text.textContent !== words) text.textContent = words;
  if (caption.textContent !== author) caption.textContent = author;
  caption.hidden = !author;
  if (!showLikes(quote, likes)) return;
  say(`${likes === 1 ? "1 like" : `${likes} likes`}: ${words.slice(0, 60)}`);
}

function onNewer({ count }) {
  const button = byId("newer");
  button.hidden = count === 0;
  button.textContent = count === 1 ? "Show 1 new quote" : `Show ${count.toLocaleString("en")} new quotes`;
}

function onPassed({ id, type, key, group, took, waited }) {
  const list = byId("passed");
  if (list.querySelector(`[data-id="${id}"]`)) return; // a resumed stream reads 5 s back
  list.querySelector(".empty")?.remove();
  const line = document.createElement("li");
  line.dataset.id = id;
  line.dataset.type = type;
  line.className = "arrived";
  const parts = { type, key, group, took };
  for (const [name, text] of Object.entries(parts)) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    if (name === "took" && waited) part.title = waited;
    line.append(part);
  }
  list.prepend(line);
  while (list.children.length > KEPT) list.lastElementChild.remove();
}

// ---- the stream

function open() {
  if (!main.dataset.live) return;
  source?.close();
  const asked = new URLSearchParams({ quotes: shown().join(","), newest: byId("quotes").dataset.newest, after: lastPassed });
  source = new EventSource(`${main.dataset.live}?${asked}`);
  source.addEventListener("quote", (event) => onQuote(JSON.parse(event.data)));
  source.addEventListener("newer", (event) => onNewer(JSON.parse(event.data)));
  source.addEventListener("passed", (event) => {
    lastPassed = event.lastEventId;
    onPassed(JSON.parse(event.data));
  });
  source.addEventListener("open", () => {
    retry = 0;
    connection("live", wasLost ? "Live again" : "Live");
    wasLost = false;
  });
  source.addEventListener("error", lost);
}

function lost() {
  wasLost = true;
  connection("lost", "Connection lost, trying again…");
  if (source.readyState !== EventSource.CLOSED) return; // the browser tries again itself
  retry = Math.min(retry + 1, 6); // it was refused: the browser gives up, we do not
  setTimeout(open, 1000 * 2 ** retry * (0.5 + Math.random() / 2));
}

addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => { if (event.persisted) open(); });
addEventListener("online", () => { if (wasLost) open(); });

// ---- the list of quotes, fetched again in place

async function pageAt(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.text();
}

async function refresh(address = location.href) { // tells whether it could
  const text = await pageAt(address).catch(() => null);
  if (text === null) {
    toast("The list could not be fetched. Try again in a moment.");
    return false;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const id of ["quotes", "pages", "count"]) {
    const [old, now] = [byId(id), fresh.getElementById(id)];
    if (old && now) old.replaceWith(document.adoptNode(now));
    else if (now) byId("quotes").after(document.adoptNode(now));
  }
  onNewer({ count: 0 });
  open();
  return true;
}

byId("newer").addEventListener("click", async () => {
  if (Number(byId("quotes").dataset.page) !== 1) {
    location.href = location.pathname;
    return;
  }
  if (!(await refresh())) return;
  const first = document.querySelector("#quotes .quote");
  first?.setAttribute("tabindex", "-1");
  first?.focus();
});

// ---- writing

async function send(address, { token, body }) {
  const headers = { "X-CSRFToken": token, Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(address, { method: "POST", headers, body, credentials: "include" });
    const text = await answer.text();
    let told = {};
    try { told = JSON.parse(text); } catch { told = { error: `The server answered ${answer.status}.`, change: "Try again." }; }
    return { status: answer.status, told };
  } catch {
    return { status: 0, told: { error: "The server cannot be reached.", change: "Try again in a moment." } };
  }
}

async function likesToken() { // Likes elsewhere has users and sessions of its own
  const answer = await fetch(`${main.dataset.likes}/session/`, { credentials: "include" });
  const session = await answer.json();
  return session.username ? session.csrf_token : null;
}

async function like(form) {
  const button = form.querySelector("button");
  if (button.getAttribute("aria-pressed") === "true") {
    toast("You like this one already.");
    return;
  }
  button.setAttribute("aria-pressed", "true");
  button.setAttribute("aria-busy", "true");
  let token = main.dataset.token;
  if (main.dataset.likesElsewhere === "yes") token = await likesToken().catch(() => null);
  const { status: code, told } = token === null ? { status: 401, told: {} } : await send(form.action, { token });
  if (code === 201) {
    setTimeout(() => button.removeAttribute("aria-busy"), 10000); // the count arrives with its event
    return;
  }
  button.removeAttribute("aria-busy");
  button.setAttribute("aria-pressed", String(code === 409));
  if (code === 401) toast("Nobody is signed in.", main.dataset.likesElsewhere === "yes" ? `${main.dataset.likes}/login/` : main.dataset.login);
  else toast(`${told.error} ${told.change}`);
}

async function add(form) {
  const field = form.querySelector("textarea");
  const button = form.querySelector("button");
  button.disabled = true;
  const { status: code, told } = await send(form.dataset.action, { token: main.dataset.token, body: JSON.stringify({ title: field.value }) });
  button.disabled = false;
  if (code !== 201) {
    toast(`${told.error} ${told.change}`, code === 401 ? main.dataset.login : undefined);
    field.focus();
    return;
  }
  form.reset();
  counted();
  say("The quote was added.");
  if (Number(byId("quotes").dataset.page) === 1) await refresh();
}

function counted() {
  const left = 2000 - [...byId("new-title").value].length;
  byId("left").textContent = left < 300 ? `${left} characters left.` : "";
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("form.like")) { event.preventDefault(); like(form); }
  if (form.matches("form.add")) { event.preventDefault(); add(form); }
});

const adding = byId("add");
if (adding) {
  adding.hidden = false;
  byId("new-title").addEventListener("input", counted);
  byId("new-title").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) adding.requestSubmit();
  });
}

open();
