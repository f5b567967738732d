// Passkeys on the two pages that use them: https://www.w3.org/TR/webauthn-3/ . Without this file codes still work.
(() => {
  "use strict";
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential?.parseCreationOptionsFromJSON) return;
  form.hidden = false;
  const told = form.querySelector("[data-told]");
  const ask = async (url, body) => {
    const token = form.elements.csrf_token.value;
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };
  const begin = async () => {
    const { options, finish, passkey } = form.dataset;
    const wanted = await ask(options, {});
    const isNew = passkey === "new";
    const publicKey = isNew
      ? PublicKeyCredential.parseCreationOptionsFromJSON(wanted)
      : PublicKeyCredential.parseRequestOptionsFromJSON(wanted);
    const made = isNew ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
    const name = form.elements.name?.value ?? "";
    const done = await ask(finish, isNew ? { ...made.toJSON(), name } : made.toJSON());
    if (done.codes?.length) {
      document.querySelector("#codes").hidden = false;
      document.querySelector("#codes pre").textContent = done.codes.join("\n");
      told.textContent = "Your passkey is set up.";
      return;
    }
    location.assign(done.goal);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    told.textContent = "";
    begin().catch(() => { told.textContent = "That did not work. Please try again, or use a code."; });
  });
})();
