// The page with the sockets: one for each quote, which tells its likes, and one that echoes. Each comes again when it is lost.

import { byId, say, showLikes, toast } from "../examples/page.js";

const main = document.getElementById("main");
const KEPT = 20; // echoes on the page
const [WHO, UNKNOWN] = [4401, 4404]; // sign in first; no such quote
const sockets = new Map(); // by path: is it open now?

// ---- the connection

let wasLost = false;
function connection() {
  const all = [...sockets.values()].every(Boolean);
  if (!all && byId("status").dataset.state !== "live" && !wasLost) return; // still at the first connection
  byId("status").dataset.state = all ? "live" : "lost";
  byId("status-text").textContent = all ? (wasLost ? "Live again" : "Live") : "Connection lost, trying again…";
  wasLost ||= !all;
}

// ---- sockets

function keep(path, heard) { // opens a socket and opens it again when it is lost; returns what sends through it
  let socket = null;
  let retry = 0;
  sockets.set(path, false);

  function open() {
    socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
    socket.addEventListener("open", () => { retry = 0; now(true); });
    socket.addEventListener("message", (event) => heard(event.data));
    socket.addEventListener("close", closed);
  }
  function closed({ code }) {
    if (code === WHO || code === UNKNOWN) { // to come again would be no use
      sockets.delete(path);
      connection();
      if (code === WHO) toast("Nobody is signed in any more. Reload the page.");
      else byId(`quote-${path.split("/")[3]}`)?.classList.add("gone");
      return;
    }
    wasLost = true;
    now(false);
    retry = Math.min(retry + 1, 5);
    setTimeout(open, 500 * 2 ** retry * (0.5 + Math.random() / 2)); // not all pages at once
  }
  function now(up) {
    sockets.set(path, up);
    connection();
  }
  open();
  return (text) => {
    const up = socket.readyState === WebSocket.OPEN;
    if (up) socket.send(text);
    return up;
  };
}

// ---- likes

function onLikes(text) {
  const { id, likes, username } = JSON.parse(text);
  const quote = byId(`quote-${id}`);
  showLikes(quote, likes);
  if (username) say(`${username} likes: ${quote.querySelector("blockquote").textContent.slice(0, 60)}`); // the number may have come before
}

async function like(form) {
  const button = form.querySelector("button");
  button.setAttribute("aria-pressed", "true");
  button.setAttribute("aria-busy", "true");
  const headers = { "X-CSRFToken": main.dataset.token, Accept: "application/json" };
  const answer = await fetch(form.action, { method: "POST", headers }).catch(() => null);
  if (answer?.status === 201) {
    setTimeout(() => button.removeAttribute("aria-busy"), 10000); // the count arrives with its event
    return;
  }
  button.removeAttribute("aria-busy");
  button.setAttribute("aria-pressed", String(answer?.status === 409));
  const told = await answer?.json().catch(() => null);
  toast(told ? `${told.error} ${told.change}` : "The server cannot be reached. Try again in a moment.");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("form.like")) { event.preventDefault(); like(form); }
});

if (main.dataset.signedIn === "yes") {
  for (const { dataset } of document.querySelectorAll("#quotes .quote")) keep(`/ws/quotes/${dataset.id}/`, onLikes);
}

// ---- echo

const echo = keep("/ws/echo/", (text) => {
  const list = byId("echoes");
  list.querySelector(".empty")?.remove();
  const line = document.createElement("li");
  line.textContent = text;
  line.classList.add("arrived");
  line.classList.toggle("refused", Boolean(JSON.parse(text)?.change));
  list.prepend(line);
  while (list.children.length > KEPT) list.lastElementChild.remove();
});

byId("echo").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!echo(byId("echo-text").value)) toast("There is no connection. Try again in a moment.");
});
