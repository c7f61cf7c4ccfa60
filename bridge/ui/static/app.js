// Keeps a page up to date: its own request is made again when something has happened, and at
// intervals, and what is new takes the place of what is old. Everything works without it.
"use strict";

// For what has no event, such as a count of streams.
const interval = Number(document.querySelector("[data-every]")?.dataset.every ?? 15_000);
const pause = 400; // after an event, in which others come too
const retry = 10_000; // after the server has refused the stream of events
const { events, types } = document.body.dataset;

// merge makes the nodes of a page those of a newer one, and leaves alone what is the same: so
// focus, selection and place stay.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  const wanted = new Set([...fresh.children].map((e) => e.id).filter(Boolean));
  const kept = new Map([...old.children].filter((e) => wanted.has(e.id)).map((e) => [e.id, e]));
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const known = kept.get(next.id);
    if (known) {
      if (known === at) at = at.nextSibling;
      else old.insertBefore(known, at);
      merge(known, next);
    } else if (at && !wanted.has(at.id)) {
      const place = at;
      at = at.nextSibling;
      merge(place, next);
    } else {
      old.insertBefore(document.importNode(next, true), at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

let request = null;
let timer = 0;

// refresh asks for the page again. An XMLHttpRequest gives a document in which no script runs.
function refresh() {
  clearTimeout(timer);
  request?.abort();
  const r = (request = new XMLHttpRequest());
  r.open("GET", location.href);
  r.responseType = "document";
  r.timeout = 15_000;
  r.onload = () => {
    const page = r.response;
    if (r.status === 401 || r.status === 404 || !page?.querySelector("[data-live]")) {
      if (r.status < 500) location.reload();
      else show(false, "Not updated: the server answers " + r.status);
      return;
    }
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      if (fresh) merge(old, fresh);
    }
    draw();
    if (stream?.readyState === EventSource.OPEN) show(true, "Live");
  };
  r.onerror = r.ontimeout = () => show(false, "Not updated: the server does not answer");
  r.onloadend = () => {
    if (r === request) soon(interval);
  };
  r.send();
}

// draw adds the latest round trip of each instance to those before, and draws them.
const trips = new Map();

function draw() {
  const ns = "http://www.w3.org/2000/svg";
  for (const cell of document.querySelectorAll("[data-rtt]")) {
    const { id } = cell.closest("tr");
    const all = [...(trips.get(id) ?? []), Number(cell.dataset.rtt)].slice(-60);
    trips.set(id, all);
    if (all.length < 2) continue;
    const top = Math.max(...all);
    const line = document.createElementNS(ns, "polyline");
    line.setAttribute("points", all.map((us, i) => `${(i * 70) / (all.length - 1) + 1},${19 - (us * 18) / top}`).join(" "));
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("class", "rtt");
    svg.setAttribute("viewBox", "0 0 72 20");
    svg.setAttribute("aria-hidden", "true");
    svg.append(line);
    cell.append(svg);
  }
}

function soon(ms) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, ms);
}

const live = document.getElementById("live");

function show(on, text) {
  live.hidden = false;
  live.classList.toggle("on", on);
  if (live.textContent !== text) live.textContent = text;
}

// say tells what has changed, also to those who do not see it.
let heard = [];
let saying = 0;

function say(text) {
  heard.push(text);
  clearTimeout(saying);
  saying = setTimeout(() => {
    const more = heard.length - 3;
    document.getElementById("said").textContent = heard.slice(0, 3).join(". ") + (more > 0 ? `. And ${more} more changes` : "");
    heard = [];
  }, pause);
}

let stream = null;
let connecting = 0;

function listen() {
  clearTimeout(connecting);
  stream?.close();
  const s = (stream = new EventSource(events));
  s.onopen = () => {
    show(true, "Live");
    soon(pause);
  };
  s.onerror = () => {
    show(false, "Not live: connecting again");
    soon(pause); // a session that has ended shows here
    if (s.readyState === EventSource.CLOSED) connecting = setTimeout(listen, retry);
  };
  for (const type of types.trim().split(" ")) {
    s.addEventListener(type, (e) => {
      const { name } = JSON.parse(e.data);
      if (type.startsWith("cluster.")) say(`${name}: ${type.slice("cluster.".length)}`);
      soon(pause);
    });
  }
  s.addEventListener("reset", () => soon(pause));
  s.addEventListener("end", () => soon(pause));
}

// A page that nobody sees asks for nothing.
function awake() {
  if (document.hidden) {
    clearTimeout(timer);
    clearTimeout(connecting);
    stream?.close();
  } else {
    listen();
    soon(0);
  }
}

// The list follows its filters as they are written.
const filter = document.getElementById("filter");
let typing = 0;

function choose() {
  const q = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
  history.replaceState(null, "", q.size ? "?" + q : "./");
  refresh();
}

filter?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(choose, pause);
});
filter?.addEventListener("submit", (e) => {
  e.preventDefault();
  clearTimeout(typing);
  choose();
});

if (document.querySelector("[data-live]")) {
  document.addEventListener("visibilitychange", awake);
  window.addEventListener("pageshow", (e) => e.persisted && location.reload());
  const here = new URL(location.href);
  if (here.searchParams.has("again")) {
    here.searchParams.delete("again");
    history.replaceState(null, "", here);
  }
  draw();
  if (!document.hidden) {
    listen();
    soon(interval);
  }
}
