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

async function act(form, button) {
  const outcome = form.querySelector("#outcome"), { api, stem, feed, source, cycle } = form.dataset;
  const action = button.value, why = form.elements.why.value.trim();
  if (!why) {
    outcome.textContent = "A reason is needed: it stands in the ledger with your name.";
    form.elements.why.focus();
    return;
  }
  const conf = { action, why, stem, offering: Number(button.dataset.offering) };
  if (action === "replay") Object.assign(conf, { feed, source, first: cycle, last: cycle });
  const buttons = document.querySelectorAll("button.action"), runs = `${api}/dags/operate_batches/dagRuns`;
  let run;
  for (const each of buttons) each.disabled = true;
  try {
    const headers = { "Content-Type": "application/json" }, body = JSON.stringify({ logical_date: null, conf, note: why });
    run = await asked(runs, { method: "POST", headers, body });
    while (!["success", "failed"].includes(run.state)) {
      outcome.textContent = `${action}: ${run.state} …`;
      await new Promise(resolve => setTimeout(resolve, WAIT_MS));
      run = await asked(`${runs}/${encodeURIComponent(run.dag_run_id)}`);
    }
    if (run.state === "success") return location.reload();
    outcome.textContent = `${action} failed; why: the log of the run ${run.dag_run_id} of operate_batches`;
  } catch (error) {
    outcome.textContent = run
      ? `${action} was started as the run ${run.dag_run_id} of operate_batches; how it goes cannot be asked: ${error.message}`
      : `${action} was not started: ${error.message}`;
  }
  for (const each of buttons) each.disabled = false;
}

for (const form of document.querySelectorAll("form.act")) {
  form.addEventListener("submit", event => event.preventDefault());
  for (const button of document.querySelectorAll("button.action")) button.addEventListener("click", () => act(form, button));
}
