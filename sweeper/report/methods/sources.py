"""The literature that reports cite."""

from __future__ import annotations

from collections.abc import Mapping

SOURCES: Mapping[str, str] = {
    'Brunner et al. 1997': 'Brunner, E., Dette, H. and Munk, A. (1997). Box-type approximations in '
    'nonparametric factorial designs. Journal of the American Statistical Association 92(440), 1494-1502.',
    'Gupta 1965': 'Gupta, S. S. (1965). On some multiple decision (selection and ranking) rules. '
    'Technometrics 7(2), 225-245.',
    'Holm 1979': 'Holm, S. (1979). A simple sequentially rejective multiple test procedure. '
    'Scandinavian Journal of Statistics 6(2), 65-70.',
    'Hsu 1996': 'Hsu, J. C. (1996). Multiple Comparisons: Theory and Methods. Chapman and Hall.',
    'Hutter et al. 2014': 'Hutter, F., Hoos, H. and Leyton-Brown, K. (2014). An efficient approach for '
    'assessing hyperparameter importance. ICML 2014, 754-762.',
    'Jamieson and Talwalkar 2016': 'Jamieson, K. and Talwalkar, A. (2016). Non-stochastic best arm '
    'identification and hyperparameter optimization. AISTATS 2016, 240-248.',
    'Lan and DeMets 1983': 'Lan, K. K. G. and DeMets, D. L. (1983). Discrete sequential boundaries for '
    'clinical trials. Biometrika 70(3), 659-663.',
    'Nadeau and Bengio 2003': 'Nadeau, C. and Bengio, Y. (2003). Inference for the generalization '
    'error. Machine Learning 52(3), 239-281.',
    'Schuirmann 1987': 'Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and '
    'the power approach for assessing the equivalence of average bioavailability. Journal of '
    'Pharmacokinetics and Biopharmaceutics 15(6), 657-680.',
    'Smith 2017': 'Smith, L. N. (2017). Cyclical learning rates for training neural networks. WACV 2017, '
    '464-472.',
    'Smyth 2004': 'Smyth, G. K. (2004). Linear models and empirical Bayes methods for assessing differential '
    'expression in microarray experiments. Statistical Applications in Genetics and Molecular Biology 3(1), '
    'article 3.',
    'Welch 1947': 'Welch, B. L. (1947). The generalization of "Student\'s" problem when several different '
    'population variances are involved. Biometrika 34(1-2), 28-35.',
}
"""What is cited, by how texts cite it: in the order of the alphabet."""
