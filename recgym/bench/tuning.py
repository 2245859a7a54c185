"""Hyperparameter search of one agent in one environment: `recgym tune`.

Sampler: the tree-structured Parzen estimator of Optuna (Bergstra et al., 2011), all parameters jointly, after ten
trials. The first trial has the agent's own settings; the other nine are a Latin hypercube (McKay, Beckman and Conover,
1979), because of nine independent draws of a switch eight may be the same. Pruner: the median rule (Golovin et al.,
2017) after each random seed of a trial, from the sixth trial on. The three best trials and the first are the finalists:
each is trained on twice as many further seeds, and the best is that of the highest mean over all of its seeds, because
the highest of many means over few seeds is a lucky one. All trials have the same random seeds, users and logs, which no
table of results and no other use shares. The best settings are compared with the first on seeds that the search has not
used.

The journal is a file: a killed search goes on where it was and ends as it would have ended.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recgym import storage
from recgym.arrays import Doubles
from recgym.bench.checkpoint import OPTIONS
from recgym.bench.experiment import Entry, Experiment, Run
from recgym.bench.machine import git, versions
from recgym.bench.run import Curve, agent_and_env, judge, learn, settings_of
from recgym.bench.search_spaces import SearchRange, Space, corners, space_entry, value_at
from recgym.bench.tuning_journal import CheckedJournal
from recgym.evaluate.stats import Interval, paired_difference
from recgym.one_thread import one_thread

SCHEMA = "recgym.tuning/1"
SEARCH_ENTROPY, HOLDOUT_ENTROPY = 71_400_261, 71_400_262  # of random seeds that no other use has
START_TRIALS, UNPRUNED_TRIALS = 10, 5
FINALISTS, FINAL_ROUNDS = (
    3,
    2,
)  # beside the first trial; further seeds of each, in numbers of seeds of a trial
JOURNAL, SUMMARY = "journal.log", "tuning.json"


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """A search. The same plan resumes a killed search."""

    agent: str
    experiment: Experiment
    space: Space
    params: Mapping[str, Any] = field(default_factory=dict)  # of all trials, where not the agent's defaults
    trials: int = 30
    seeds: int = 3  # of each trial
    seed: int = 0  # of the sampler

    def about(self) -> dict[str, Any]:
        """All that a trial's result depends on, as JSON."""
        experiment = self.experiment
        return {
            "agent": self.agent,
            "env": {"id": experiment.env_id, "kwargs": dict(experiment.kwargs)},
            "env_steps": experiment.env_steps,
            "offline_sessions": experiment.offline_sessions,
            "eval_sessions": experiment.eval_sessions,
            "space": space_entry(self.space),
            "params": dict(self.params),
            "seeds": self.seeds,
            "seed": self.seed,
        }


class Trial(NamedTuple):
    """A finished trial; `value` is None where it failed."""

    number: int
    params: dict[str, Any]
    value: float | None  # mean return over its seeds
    returns: tuple[float, ...]  # mean return of each seed: fewer where it was pruned, more of a finalist
    state: str  # complete, pruned or failed
    error: str = ""


Listener = Callable[[Trial], None]


def check_plan(plan: SearchPlan) -> None:
    """ValueError where a parameter of the space is none of the agent's, or a bound is out of its range."""
    if fixed := sorted(set(plan.space) & set(plan.params)):
        raise ValueError(f"{', '.join(fixed)}: both searched and fixed by --params")
    for corner in corners(plan.space):
        try:
            settings_of(plan.agent, json.dumps({**plan.params, **corner}))
        except ValueError as error:
            raise ValueError(f"search space: {error}") from None


def tune(plan: SearchPlan, out: Path, listener: Listener | None = None) -> dict[str, Any]:
    """Search, and write journal and summary into a folder; returns the summary.

    Raises:
        ValueError: the plan does not fit the agent, `out` holds another search, or every trial failed.
    """
    check_plan(plan)
    with storage.locked(out, f"--out {out}: another search is writing there"):
        out.mkdir(parents=True, exist_ok=True)
        study = _study(plan, out)
        while len(finished := trials_of(study)) < plan.trials:
            _run_trial(plan, study, len(finished))
            if listener is not None:
                listener(trials_of(study)[-1])
        finals = _finals(plan, study, finished, listener)
        trials = [finals.get(trial.number, trial) for trial in finished]
        summary = _summary(plan, trials, list(finals.values()))
        storage.write_file(out / SUMMARY, json.dumps(summary, indent=1) + "\n")
        return summary


def _study(plan: SearchPlan, out: Path) -> Any:
    """The study of the journal, new or resumed; a trial that was cut off is dropped and done again."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_new = not (out / JOURNAL).exists()
    if is_new and not storage.is_vacant(out):
        raise ValueError(f"--out {out}: exists and holds no search; name another folder")
    journal: Any = CheckedJournal(out / JOURNAL, f"--out {out}")
    study = optuna.create_study(
        storage=JournalStorage(journal),
        study_name="tuning",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS),
        load_if_exists=True,
    )
    own = json.loads(json.dumps(plan.about()))
    found = study.user_attrs.get("plan", own)
    if found != own:
        changed = [OPTIONS.get(name, name) for name in own if found.get(name) != own[name]]
        raise ValueError(
            f"--out {out}: holds a search with another {', '.join(changed)}; name another folder"
        )
    study.set_user_attr("plan", own)
    for trial in study.get_trials(deepcopy=False):
        if trial.state in (TrialState.RUNNING, TrialState.WAITING):
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def trials_of(study: Any) -> list[Trial]:
    """Finished trials in their order, without those that were cut off."""
    from optuna.trial import TrialState

    names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    found: list[Trial] = []
    for trial in study.get_trials(deepcopy=False):
        about = trial.user_attrs
        if (
            trial.state in names
            and "params" in about
            and (trial.state != TrialState.FAIL or "error" in about)
        ):
            returns = tuple(trial.intermediate_values[step] for step in sorted(trial.intermediate_values))
            value = None if not returns else float(np.mean(returns))
            state = names[trial.state]
            found.append(Trial(len(found), about["params"], value, returns, state, about.get("error", "")))
    return found


def _run_trial(plan: SearchPlan, study: Any, number: int) -> None:
    """One trial: its sampler depends on the finished trials and the number alone, so that a search can be resumed."""
    import optuna
    from optuna.trial import TrialState

    words = np.random.SeedSequence([plan.seed, number]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=START_TRIALS, seed=int(words[0]))
    if number < START_TRIALS:
        study.enqueue_trial(_start(plan, number))
    trial = study.ask()
    chosen = {name: _suggested(trial, name, each) for name, each in plan.space.items()}
    trial.set_user_attr("params", chosen)
    try:
        for step in range(plan.seeds):
            trial.report(float(_returns(plan, chosen, step, SEARCH_ENTROPY).mean()), step)
            if step + 1 < plan.seeds and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return
    except ValueError as error:  # parameters that exclude one another
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=TrialState.FAIL)
        return
    reported = study.get_trials(deepcopy=False)[trial.number].intermediate_values
    study.tell(trial, float(np.mean(list(reported.values()))))


def _start(plan: SearchPlan, number: int) -> dict[str, Any]:
    """Settings of one of the first trials: the agent's own, then the rows of a Latin hypercube."""
    from scipy.stats.qmc import LatinHypercube

    if number == 0:
        defaults = settings_of(plan.agent, json.dumps(dict(plan.params)))
        return {name: _within(defaults[name], span) for name, span in plan.space.items()}
    design = LatinHypercube(len(plan.space), rng=np.random.default_rng([plan.seed, START_TRIALS]))
    shares = design.random(START_TRIALS - 1)[number - 1]
    return {
        name: value_at(span, float(share))
        for (name, span), share in zip(plan.space.items(), shares, strict=True)
    }


def _within(value: Any, span: SearchRange | tuple[Any, ...]) -> Any:
    """A default, moved into its range; the first choice where it is none of the choices."""
    if isinstance(span, SearchRange):
        return type(value)(min(max(value, span.low), span.high))
    return value if value in span else span[0]


def _suggested(trial: Any, name: str, span: SearchRange | tuple[Any, ...]) -> Any:
    if not isinstance(span, SearchRange):
        return trial.suggest_categorical(name, span)
    if span.whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _returns(plan: SearchPlan, chosen: Mapping[str, Any], number: int, entropy: int) -> Doubles:
    """Returns of the judged sessions of one seed; the same seeds and users for all settings."""
    entry = Entry(agent=plan.agent, params={**plan.params, **chosen})
    run = Run(experiment=plan.experiment, entry=entry, run=number, entropy=entropy)
    record: dict[str, Any] = {"timing": {}, "budget": {}}
    agent, env = agent_and_env(run, "cpu")
    with one_thread():  # as in the runs of a benchmark
        learn(run, record, Curve(), agent, env)
        columns, _ = judge(run, record, agent)
    return np.asarray(columns["return"], np.float64)


def _finals(plan: SearchPlan, study: Any, trials: list[Trial], listener: Listener | None) -> dict[int, Trial]:
    """The finalists by their numbers, with the returns of further seeds; each of them is in the journal."""
    complete = sorted((trial for trial in trials if trial.state == "complete"), key=_rank)
    if not complete:
        reason = next((trial.error for trial in trials if trial.error), "")
        raise ValueError(f"no trial was completed: {reason}")
    apart = [
        trial for k, trial in enumerate(complete) if trial.params not in [e.params for e in complete[:k]]
    ]
    chosen = {trial.number: trial for k, trial in enumerate(apart) if k < FINALISTS or trial.number == 0}
    stored: dict[str, list[float]] = study.user_attrs.get("finals", {})
    for number, trial in chosen.items():
        more = list(stored.get(str(number), ()))
        while len(more) < FINAL_ROUNDS * plan.seeds:
            more.append(float(_returns(plan, trial.params, plan.seeds + len(more), SEARCH_ENTROPY).mean()))
            stored = {**stored, str(number): more}
            study.set_user_attr("finals", stored)
        returns = (*trial.returns, *more)
        chosen[number] = trial._replace(returns=returns, value=float(np.mean(returns)))
        if listener is not None:
            listener(chosen[number])
    return chosen


def _rank(trial: Trial) -> tuple[float, int]:
    return -(trial.value or 0.0), trial.number


def _summary(plan: SearchPlan, trials: list[Trial], finalists: list[Trial]) -> dict[str, Any]:
    best, first = min(finalists, key=_rank), trials[0]
    gain = _gain(plan, best, first)
    return {
        "schema": SCHEMA,
        **plan.about(),
        "sampler": f"TPE, joint, after the own settings and a Latin hypercube of {START_TRIALS - 1}",
        "pruner": f"median after each seed, from trial {UNPRUNED_TRIALS} on",
        "finals": f"the {FINALISTS} best and the first, on {FINAL_ROUNDS * plan.seeds} further seeds each",
        "trials": [trial._asdict() for trial in trials],
        "best": best.number,
        "best_params": {**plan.params, **best.params},
        "gain_over_first": None if gain is None else gain._asdict(),
        "versions": versions(),
        "git": git(),
    }


def _gain(plan: SearchPlan, best: Trial, first: Trial) -> Interval | None:
    """Paired difference of the best settings and the first on seeds and users that the search has not used."""
    if plan.seeds < 2 or best.params == first.params or first.value is None:
        return None
    pairs = [
        [_returns(plan, trial.params, number, HOLDOUT_ENTROPY) for trial in (best, first)]
        for number in range(plan.seeds)
    ]
    return paired_difference([pair[0] for pair in pairs], [pair[1] for pair in pairs])
