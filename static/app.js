// The page works without this file. With it: times in the visitor's own zone, a countdown, copy buttons, and
// Calendly's "a time was picked" message taken to our own form.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const $ = (selector, inside = document) => inside.querySelector(selector);
  const $$ = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const say = (id, text) => { const place = $(id); if (place && place.textContent !== text) place.textContent = text; };

  // --- times in the visitor's own zone ---
  const useOwnZone = () => {
    const form = $("form[data-zone-form][data-guess]");
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!form || !zone || form.elements.tz.value === zone) return;
    const select = form.elements.tz;
    if (![...select.options].some((option) => option.value === zone)) select.add(new Option(zone, zone));
    select.value = zone;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // --- countdown: the server's clock at loading, carried on by a clock that nobody can set ---
  let ahead = null; // server time minus performance.now()
  const loadedAt = performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();
  const learnTime = (serverNow, at) => { if (serverNow) ahead = serverNow - at; };
  const tick = () => {
    const shown = $("[data-expires]");
    if (!shown || ahead === null) return;
    const left = Math.ceil((Number(shown.dataset.expires) - ahead - performance.now()) / 1000);
    shown.textContent = left > 0 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "0:00";
    if (left > 0) return;
    $$("#payment [data-open]").forEach((part) => { part.hidden = true; });
    const over = $("#payment [data-over]");
    if (!over || !over.hidden) return;
    over.hidden = false;
    $("#payment [data-told]").hidden = true;
    say("#said", over.textContent);
  };
  const readTime = (at) => learnTime(Number($("[data-now]")?.dataset.now), at);

  // --- copy buttons ---
  const copy = async (button) => {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
      field.className = "unseen";
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    const label = button.textContent;
    const copied = $("#said").dataset.copied;
    button.dataset.isCopied = "yes";
    button.textContent = copied;
    say("#said", copied);
    setTimeout(() => { button.textContent = label; delete button.dataset.isCopied; say("#said", ""); }, 1500);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button && !button.dataset.isCopied) copy(button);
  });

  // --- Calendly: only its origin, only our frame, only the shape we know; the server reads it back anyway ---
  // A frame that is blocked says nothing: then the plain link takes its place.
  let silent = 0;
  const watchFrame = () => {
    const frame = $("iframe[data-origin]");
    if (!frame) return;
    silent = setTimeout(() => {
      frame.hidden = true;
      say("#no-frame-head", frame.dataset.silent);
      say("#said", frame.dataset.silent);
    }, 10000);
  };
  window.addEventListener("message", (event) => {
    const frame = $("iframe[data-origin]");
    if (!frame || event.origin !== frame.dataset.origin || event.source !== frame.contentWindow) return;
    const { event: name, payload } = Object(event.data);
    if (typeof name === "string" && name.startsWith("calendly.")) { clearTimeout(silent); frame.hidden = false; }
    const eventUri = payload?.event?.uri, inviteeUri = payload?.invitee?.uri;
    const form = $("#scheduled");
    if (name !== "calendly.event_scheduled" || typeof eventUri !== "string" || typeof inviteeUri !== "string") return;
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    form.elements.event_uri.value = eventUri;
    form.elements.invitee_uri.value = inviteeUri;
    form.submit();
  });

  // --- htmx: what it says of its requests ---
  const isPoll = (detail) => detail.elt?.matches?.("#payment, #chosen");
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isPoll(event.detail) && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status < 400 || !/^\s*<!doctype/i.test(xhr.responseText)) return;
    event.detail.shouldSwap = false; // a whole page that explains an error does not belong into a part of ours
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const message = $("[data-message]", page)?.textContent || $("#trouble").dataset.failed;
    if (!(isPoll(event.detail) && xhr.status === 429)) say("#trouble", message);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr } = event.detail;
    if (xhr.status && xhr.status < 400) say("#trouble", "");
    if (isPoll(event.detail) && xhr.status === 204) learnTime(Number(xhr.getResponseHeader("X-Now")), performance.now());
  });
  const lost = () => say("#trouble", $("#trouble").dataset.lost);
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:timeout", lost);
  document.addEventListener("htmx:afterSwap", (event) => {
    const told = $("#payment [data-told]");
    if (told) say("#said", told.textContent);
    if (event.detail.target?.id === "payment") readTime(performance.now());
    tick();
  });

  document.addEventListener("DOMContentLoaded", () => {
    readTime(loadedAt);
    tick();
    setInterval(tick, 1000);
    useOwnZone();
    watchFrame();
  });
})();
