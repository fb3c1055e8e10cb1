# Writes what lme4 says of fixed data, for crates/lab/tests/mixed.rs.
#
#   Rscript dev/reference/make_mixed.R fixtures/statistics/lme4.json
#
# Needs R (4.2.2 here) with lme4 (1.1-31), lmerTest (3.1-3) for degrees of freedom, and jsonlite.
# The data are simulated with a fixed seed and kept in the file beside the results.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(jsonlite)
})

simulate <- function(seed, inputs, paraphrases, repeats, sds, noise) {
  set.seed(seed)
  data <- expand.grid(
    arm = 0:1, input = seq_len(inputs) - 1, paraphrase = seq_len(paraphrases) - 1,
    `repeat` = seq_len(repeats) - 1
  )
  deviation <- function(n, sd) rnorm(n, 0, sd)
  data$y <- 1 + 0.4 * data$arm + deviation(inputs, sds[1])[data$input + 1] +
    deviation(paraphrases, sds[2])[data$paraphrase + 1] +
    deviation(repeats, sds[3])[data$`repeat` + 1] +
    deviation(inputs, sds[4])[data$input + 1] * data$arm
  if (noise > 0) {
    data$y <- round(data$y + rnorm(nrow(data), 0, noise), 4)
  } else {
    data$y <- rbinom(nrow(data), 1, plogis(data$y - 1))
  }
  names(data)[4] <- "round"
  data
}

linear_case <- function(data, formula) {
  fit <- lmer(formula, data, REML = TRUE, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)))
  table <- coef(summary(fit))
  components <- as.data.frame(VarCorr(fit))
  list(
    data = data, coefficients = unname(table[, 1]), errors = unname(table[, 2]),
    degrees = unname(table[, 3]), p = unname(table[, 5]),
    components = setNames(as.list(components$sdcor), paste(components$grp, components$var1)),
    modes = ranef(fit)$input[, 1], deviance = as.numeric(REMLcrit(fit))
  )
}

logistic_case <- function(data, formula) {
  fit <- glmer(formula, data, family = binomial, control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-9)))
  table <- coef(summary(fit))
  components <- as.data.frame(VarCorr(fit))
  list(
    data = data, coefficients = unname(table[, 1]), errors = unname(table[, 2]), p = unname(table[, 4]),
    components = setNames(as.list(components$sdcor), paste(components$grp, components$var1)),
    modes = ranef(fit)$input[, 1], deviance = as.numeric(-2 * logLik(fit))
  )
}

crossed <- y ~ arm + (1 | input) + (1 | paraphrase) + (1 | round)
slopes <- y ~ arm + (1 | input) + (0 + arm | input) + (1 | paraphrase)
result <- list(
  linear_crossed = linear_case(simulate(1, 12, 5, 3, c(0.8, 0.5, 0.3, 0), 1), crossed),
  linear_slopes = linear_case(simulate(2, 25, 4, 2, c(1, 0.4, 0, 0.7), 0.8), slopes),
  linear_zero = linear_case(simulate(3, 10, 3, 3, c(0.5, 0, 0, 0), 1), crossed),
  logistic_crossed = logistic_case(simulate(4, 20, 6, 3, c(1.2, 0.6, 0.4, 0), 0), crossed),
  logistic_input = logistic_case(simulate(5, 30, 1, 4, c(1.5, 0, 0, 0), 0), y ~ arm + (1 | input))
)
write(toJSON(result, digits = 12, auto_unbox = TRUE, dataframe = "columns"), commandArgs(trailingOnly = TRUE)[1])
