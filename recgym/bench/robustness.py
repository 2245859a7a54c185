"""The experiments of the preset `robustness`.

An experiment "content@click_noise=high" is the base with one perturbation. Its random seeds are those of the base.
Perturbed worlds are judged with agents that were trained without; perturbed feedback is that of the training, and
agents are judged without, except for missing features, which are missing in both.
"""

from dataclasses import replace

from recgym.bench.experiment import RETRAINED, SWEPT, Experiment
from recgym.bench.perturbations import PERTURB, PERTURBATIONS

SETTINGS = "low", "medium", "high"


def perturbed(experiment: Experiment) -> tuple[Experiment, ...]:
    """The experiment, and one for each perturbation and severity that its task has."""
    found = [experiment]
    for name, each in PERTURBATIONS.items():
        if each.needs_slates and "slate" not in experiment.tags:
            continue
        for setting, severity in zip(SETTINGS, each.severities, strict=True):
            changed = {**experiment.kwargs, PERTURB: {name: severity}}
            found.append(
                replace(
                    experiment,
                    name=f"{experiment.name}{SWEPT}{name}={setting}{RETRAINED * each.in_training}",
                    kwargs=changed if each.in_judging else experiment.kwargs,
                    trained=changed if each.in_training else experiment.kwargs,
                )
            )
    return tuple(found)
