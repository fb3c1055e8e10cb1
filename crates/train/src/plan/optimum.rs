//! Which size and how many tokens give the lowest loss for a budget of operations.

/// How loss falls with parameters N and tokens D: L(N, D) = E + A / N^α + B / D^β.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// What no model gets below.
    pub e: f64,
    /// A.
    pub a: f64,
    /// B.
    pub b: f64,
    /// α.
    pub alpha: f64,
    /// β.
    pub beta: f64,
}

/// The law of Chinchilla's runs, as it was fitted again.
///
/// The published fit (Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models",
/// approach 3) contradicts the paper's other approaches; Besiroglu et al. 2024, "Chinchilla Scaling:
/// A replication attempt", found why and gives these. Loss is in nats a token of Chinchilla's own
/// data and vocabulary: differences carry over to other texts better than values do.
pub const CHINCHILLA: Law = Law { e: 1.8172, a: 482.01, b: 2085.43, alpha: 0.3478, beta: 0.3658 };

/// A size and what it is trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimum {
    /// Parameters.
    pub parameters: f64,
    /// Tokens.
    pub tokens: f64,
    /// The loss that the law gives.
    pub loss: f64,
}

impl Law {
    /// The loss for a size and a number of tokens.
    pub fn loss(&self, parameters: f64, tokens: f64) -> f64 {
        self.e + self.a / parameters.powf(self.alpha) + self.b / tokens.powf(self.beta)
    }

    /// The best size for a budget of operations C = 6 N D.
    ///
    /// Source: Hoffmann et al. 2022, equation 4: N = G (C / 6)^a with G = (αA / βB)^(1 / (α + β))
    /// and a = β / (α + β).
    pub fn optimum(&self, operations: f64) -> Optimum {
        let sum = self.alpha + self.beta;
        let g = (self.alpha * self.a / (self.beta * self.b)).powf(1.0 / sum);
        let parameters = g * (operations / 6.0).powf(self.beta / sum);
        self.at(parameters, operations)
    }

    /// A size for the same budget, whether or not it is the best.
    pub fn at(&self, parameters: f64, operations: f64) -> Optimum {
        let tokens = operations / (6.0 * parameters);
        Optimum { parameters, tokens, loss: self.loss(parameters, tokens) }
    }
}
