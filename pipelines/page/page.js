// A button asks the DAG operate_batches to do it, in the name of whoever is logged in, and waits for its run to end.
const WAIT_MS = 1000;

async function asked(address, options) {
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const why = typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail ?? "");
    throw new Error(answer.status === 403 ? "you may not do this" : `${answer.status} ${why}`);
  }
  return body;
}

async function act(form, action) {
  const outcome = form.querySelector("#outcome"), { api, stem, feed, source, cycle } = form.dataset;
  const why = form.elements.why.value.trim();
  if (!why) {
    outcome.textContent = "A reason is needed: it stands in the ledger with your name.";
    form.elements.why.focus();
    return;
  }
  const conf = { action, why, stem };
  if (action === "replay") Object.assign(conf, { feed, source, first: cycle, last: cycle });
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  try {
    const runs = `${api}/dags/operate_batches/dagRuns`;
    const headers = { "Content-Type": "application/json" };
    let run = await asked(runs, { method: "POST", headers, body: JSON.stringify({ logical_date: null, conf, note: why }) });
    while (!["success", "failed"].includes(run.state)) {
      outcome.textContent = `${action}: ${run.state} …`;
      await new Promise(resolve => setTimeout(resolve, WAIT_MS));
      run = await asked(`${runs}/${encodeURIComponent(run.dag_run_id)}`);
    }
    if (run.state === "success") return location.reload();
    outcome.textContent = `${action} failed; why: the log of the run ${run.dag_run_id} of operate_batches`;
  } catch (error) {
    outcome.textContent = `${action} was not done: ${error.message}`;
  }
  for (const button of form.querySelectorAll("button")) button.disabled = false;
}

for (const form of document.querySelectorAll("form.act")) {
  form.addEventListener("submit", event => event.preventDefault());
  for (const button of form.querySelectorAll("button")) button.addEventListener("click", () => act(form, button.value));
}
