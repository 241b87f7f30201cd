// How pages talk to the server: JSON with the token of this session's pages.
const token = document.querySelector('meta[name="forgery-token"]')?.content ?? "";

export class Refused extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    this.status = status;
    this.code = body.code ?? "";
  }
}

export async function post(path, body = {}, keepalive = false) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      keepalive,
      headers: { "content-type": "application/json", "x-osler-token": token },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, { error: "The server does not answer. What you typed is still here; try again." });
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

document.getElementById("log-out")?.addEventListener("click", async () => {
  const told = await post("/logout").catch(() => ({ next: "/login" }));
  location.assign(told.next);
});
