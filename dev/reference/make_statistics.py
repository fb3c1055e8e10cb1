"""Writes what SciPy and statsmodels say of fixed data, for `crates/lab/tests/statistics.rs`.

Run with a Python that has scipy (1.17.1 here), statsmodels (0.15.0) and numpy (2.4.6):

    python dev/reference/make_statistics.py fixtures/statistics/scipy.json

The data are drawn by NumPy with fixed seeds, rounded, and kept in the file beside the results.
Cliff's delta is in neither library: its interval is computed here from Feng & Cliff's formula, pair
by pair. Rogan-Gladen's interval likewise, from Lang & Reiczigel's equations.
"""

import json
import sys

import numpy as np
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_confint


def rng(seed):
    return np.random.default_rng(seed)


def rounded(values, digits=3):
    return [round(float(value), digits) for value in values]


def distributions():
    return {
        "normal_cdf": [[x, float(stats.norm.cdf(x))] for x in (-8, -3.1, -1.96, 0, 0.3, 2.5, 5)],
        "normal_quantile": [[p, float(stats.norm.ppf(p))] for p in (1e-9, 0.01, 0.025, 0.5, 0.8, 0.975)],
        "student_two_sided": [
            [t, d, float(2 * stats.t.sf(abs(t), d))]
            for t, d in ((0.5, 1), (-2.1, 4), (2.0, 9.5), (5.2, 30), (9.0, 500))
        ],
        "student_quantile": [
            [p, d, float(stats.t.ppf(p, d))]
            for p, d in ((0.975, 1), (0.975, 4), (0.9, 9.5), (0.025, 30), (0.995, 500))
        ],
        "chi_squared_above": [[x, d, float(stats.chi2.sf(x, d))] for x, d in ((0.1, 1), (3.84, 1), (12, 4), (60, 9))],
        "f_above": [[x, a, b, float(stats.f.sf(x, a, b))] for x, a, b in ((0.7, 2, 9), (4.1, 3, 40), (12, 1, 7.5))],
        "beta_quantile": [
            [p, a, b, float(stats.beta.ppf(p, a, b))]
            for p, a, b in ((0.025, 1, 30), (0.975, 5, 7), (0.5, 0.5, 12.5), (0.025, 0.5, 90.5))
        ],
        "binomial_at_most": [[k, n, p, float(stats.binom.cdf(k, n, p))] for k, n, p in ((0, 9, 0.5), (3, 15, 0.5), (40, 100, 0.5), (7, 30, 0.1))],
    }


def proportions():
    cases = []
    for k, n in ((0, 10), (1, 10), (7, 10), (10, 10), (40, 100), (477, 500)):
        case = {"successes": k, "trials": n}
        for name, method in (("wilson", "wilson"), ("clopper_pearson", "beta")):
            case[name] = [float(end) for end in proportion_confint(k, n, 0.05, method)]
        jeffreys = [float(end) for end in proportion_confint(k, n, 0.05, "jeffreys")]
        case["jeffreys"] = [0.0 if k == 0 else jeffreys[0], 1.0 if k == n else jeffreys[1]]
        cases.append(case)
    return cases


def paired_binary():
    cases = []
    for both, first, second, neither in ((36, 12, 2, 0), (10, 5, 0, 5), (3, 1, 9, 40), (20, 8, 8, 4), (50, 0, 0, 3)):
        result = mcnemar([[both, first], [second, neither]], exact=True)
        cases.append({"counts": [both, first, second, neither], "p": min(1.0, float(result.pvalue))})
    return cases


def samples():
    return {
        "normal": rounded(rng(1).normal(0.4, 1, 30)),
        "skewed": rounded(rng(2).lognormal(0, 1, 25) - 1.2),
        "small": rounded(rng(3).normal(1, 1, 7)),
        "discrete": rounded(rng(4).integers(-2, 4, 40), 0),
        "many": rounded(rng(5).exponential(1, 80) - 0.8),
    }


def walsh(values, alpha=0.05):
    """Hodges-Lehmann by brute force, with the exact distribution of the signed-rank sum."""
    n = len(values)
    means = sorted((values[i] + values[j]) / 2 for i in range(n) for j in range(i, n))
    counts = np.zeros(n * (n + 1) // 2 + 1)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] = counts[rank:] + counts[:-rank]
    at_most = np.cumsum(counts) / 2.0**n
    place = int(np.searchsorted(at_most, alpha / 2, side="right"))
    return [float(np.median(means)), means[place - 1], means[-place]]


def one_sample():
    out = {}
    for name, values in samples().items():
        values = np.array(values)
        t = stats.ttest_1samp(values, 0)
        interval = t.confidence_interval()
        signed = stats.wilcoxon(values)
        case = {
            "values": values.tolist(),
            "t": [float(t.statistic), float(t.pvalue), float(interval.low), float(interval.high)],
            "wilcoxon_p": float(signed.pvalue),
        }
        if len(values) <= 50:
            case["hodges_lehmann"] = walsh(values.tolist())
        if len(values) <= 12:
            flips = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
            case["sign_flip_p"] = float(flips.pvalue)
        boot = stats.bootstrap((values,), np.mean, n_resamples=200_000, method="BCa", rng=rng(9), batch=1000)
        case["bca"] = [float(boot.confidence_interval.low), float(boot.confidence_interval.high)]
        out[name] = case
    return out


def cliff(first, second, alpha=0.05):
    signs = np.sign(np.subtract.outer(first, second))
    n1, n2 = signs.shape
    delta = signs.mean()
    rows, columns = signs.mean(axis=1), signs.mean(axis=0)
    variance = (
        n2**2 * ((rows - delta) ** 2).sum() + n1**2 * ((columns - delta) ** 2).sum() - ((signs - delta) ** 2).sum()
    ) / (n1 * n2 * (n1 - 1) * (n2 - 1))
    variance = max(variance, (1 - delta**2) / (n1 * n2 - 1))
    z = stats.norm.ppf(1 - alpha / 2)
    spread = z * np.sqrt(variance) * np.sqrt((1 - delta**2) ** 2 + z**2 * variance)
    scale = 1 - delta**2 + z**2 * variance
    return [float(end) for end in (delta, (delta - delta**3 - spread) / scale, (delta - delta**3 + spread) / scale)]


def two_samples():
    pairs = {
        "small": (rng(11).normal(0, 1, 6), rng(12).normal(1, 1, 9)),
        "uneven": (rng(13).normal(0, 1, 20), rng(14).normal(0.6, 2, 35)),
        "grades": (rng(15).integers(1, 6, 30), rng(16).integers(2, 6, 40)),
        "large": (rng(17).exponential(1, 150), rng(18).exponential(1.3, 150)),
    }
    out = {}
    for name, (first, second) in pairs.items():
        first, second = np.array(rounded(first)), np.array(rounded(second))
        u = stats.mannwhitneyu(first, second)
        ks = stats.ks_2samp(first, second, method="exact")
        welch = stats.ttest_ind(first, second, equal_var=False)
        interval = welch.confidence_interval()
        out[name] = {
            "first": first.tolist(),
            "second": second.tolist(),
            "mann_whitney": [float(u.statistic), float(u.pvalue)],
            "kolmogorov_smirnov": [float(ks.statistic), float(ks.pvalue)],
            "cliff": cliff(first, second),
            "welch": [float(welch.statistic), float(welch.pvalue), float(interval.low), float(interval.high)],
        }
    return out


def many_arms():
    passed = rng(21).random((40, 4)) < np.array([0.3, 0.5, 0.5, 0.7])
    q = cochrans_q(passed.astype(int))
    grades = rng(22).integers(1, 6, (25, 3)) + np.array([0, 0, 1])
    f = stats.friedmanchisquare(*grades.T)
    lengths = np.array(rounded(rng(23).lognormal(4, 1, 60), 2)).reshape(15, 4)
    g = stats.friedmanchisquare(*lengths.T)
    return {
        "passed": passed.tolist(),
        "cochran": [float(q.statistic), float(q.pvalue)],
        "grades": grades.astype(float).tolist(),
        "friedman_grades": [float(f.statistic), float(f.pvalue)],
        "lengths": lengths.tolist(),
        "friedman_lengths": [float(g.statistic), float(g.pvalue)],
    }


def multiplicity():
    p = rounded(rng(31).random(12) ** 2, 4) + [0.0004, 0.0004, 1.0]
    return {
        "p": p,
        "holm": multipletests(p, method="holm")[1].tolist(),
        "benjamini_hochberg": multipletests(p, method="fdr_bh")[1].tolist(),
    }


def clusters():
    """The intercept with cluster-robust errors; statsmodels' correction, C/(C-1) (n-1)/(n-1)."""
    sizes = [5, 3, 8, 1, 6, 4, 7]
    group = np.repeat(np.arange(len(sizes)), sizes)
    values = np.array(rounded(rng(41).normal(0.5, 1, len(group)) + rng(42).normal(0, 1, len(sizes))[group]))
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": group}, use_t=True)
    low, high = fit.conf_int()[0]
    return {
        "values": values.tolist(),
        "group": group.tolist(),
        "t": [float(fit.tvalues[0]), float(fit.pvalues[0]), float(low), float(high)],
    }


def power():
    independent, paired = TTestIndPower(), TTestPower()
    return {
        "independent_n": [[d, float(independent.solve_power(d, alpha=0.05, power=0.8))] for d in (0.2, 0.34, 0.5)],
        "paired_n": [[d, float(paired.solve_power(d, alpha=0.05, power=0.8))] for d in (0.1, 0.25, 0.5)],
    }


def corrections():
    def rogan(judged, sensitivity, specificity):
        z = stats.norm.ppf(0.975)
        (k, n), (k1, n1), (k0, n0) = judged, sensitivity, specificity
        plain = (k / n + k0 / n0 - 1) / (k1 / n1 + k0 / n0 - 1)
        p, se, sp = (k + z * z / 2) / (n + z * z), (k1 + 1) / (n1 + 2), (k0 + 1) / (n0 + 2)
        youden = se + sp - 1
        theta = (p + sp - 1) / youden
        shift = 2 * z * z * (theta * se * (1 - se) / (n1 + 2) - (1 - theta) * sp * (1 - sp) / (n0 + 2))
        error = np.sqrt(
            p * (1 - p) / (n + z * z)
            + theta**2 * se * (1 - se) / (n1 + 2)
            + (1 - theta) ** 2 * sp * (1 - sp) / (n0 + 2)
        ) / youden
        ends = np.clip([plain, theta + shift - z * error, theta + shift + z * error], 0, 1)
        return [float(end) for end in ends]

    cases = (((300, 500), (45, 50), (40, 50)), ((20, 400), (18, 20), (29, 30)), ((90, 100), (30, 30), (9, 12)))
    return [{"counts": case, "rogan_gladen": rogan(*case)} for case in cases]


def main():
    parts = (distributions, proportions, paired_binary, one_sample, two_samples, many_arms, multiplicity, clusters, power, corrections)
    with open(sys.argv[1], "w") as file:
        json.dump({part.__name__: part() for part in parts}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
