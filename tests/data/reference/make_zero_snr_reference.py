#!/usr/bin/env python3
"""Makes `zero_snr.safetensors`: runs of diffusers' Euler samplers that begin in pure noise, where the noise level is 4096 and
every bit of it is seen in the result.

Run in this folder, with what make_trajectories.py needs:

    ATEN_CPU_CAPABILITY=avx2 python3 make_zero_snr_reference.py
"""

import json

import torch
from make_trajectories import HERE, SCHEDULES, SHAPE, run_sampler, save, seeded


def cases_of():
    for sampler in ("euler", "euler-a"):
        for schedule in ("sd", "linear"):
            for spacing in ("trailing", "linspace"):
                for prediction in ("v_prediction", "sample"):
                    for steps in (1, 2, 3, 4, 8, 20):
                        for karras in (False, True) if sampler == "euler" and steps > 1 else (False,):
                            yield dict(sampler=sampler, schedule=schedule, steps=steps, karras=karras, eta=0.0, start=0, config=dict(
                                rescale_betas_zero_snr=True, timestep_spacing=spacing, prediction_type=prediction))


def main():
    noise, clean = torch.randn(SHAPE, generator=seeded(1)), torch.randn(SHAPE, generator=seeded(2))
    cases, results, times, sigmas = [], [], [], []
    for case in cases_of():
        try:
            x, timesteps, sigma = run_sampler(case, seeded(7), noise, clean)
        except NotImplementedError as error:
            print("  not in diffusers:", json.dumps(case), error)
            continue
        if not torch.isfinite(x).all():
            print("  not finite in diffusers, left out:", json.dumps(case))
            continue
        cases.append({k: v for k, v in case.items() if v})
        results.append(x.flatten())
        times.append(timesteps.double())
        sigmas.append(sigma)
    save({
        "noise": noise, "clean": clean, "result": torch.stack(results), "timesteps": torch.cat(times),
        "evaluations": torch.tensor([len(t) for t in times], dtype=torch.int32),
        "init_noise_sigma": torch.tensor(sigmas, dtype=torch.float64),
    }, HERE / "zero_snr.safetensors", {"schedules": SCHEDULES, "cases": cases})
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
