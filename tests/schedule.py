"""Which tests run when: on the newest versions only, and with or without a measurement of coverage.

``make test`` runs every test on the newest versions. ``make test-oldest`` leaves out those of
:data:`NEWEST_ONLY`: no version of a library can break them that does not break other tests too.
``make test-full`` leaves out none. A test stands here by its file, in ``tests`` or ``docs``, or by its file
and name.
"""

from __future__ import annotations

ARITHMETIC = "arithmetic on counts, with the NumPy and SciPy that the doctests of the same functions call"
SIMULATION = "a simulation, or a comparison with brute force, of formulas that call no library"
TRAINING = (
    "what a net has learnt, with the same torch in both sets of versions; skorch is met in the other tests"
)
DRAWING = "texts and positions of what test_plotting.py draws with the oldest matplotlib as well"
OTHER_PEER = "the oldest fairlearn centres several columns by one mean, and so removes something else"

#: What runs on the newest versions only, and why.
NEWEST_ONLY = {
    "constrained.md": "what tests of single parts do as well",
    "generation.md": "what tests of single parts do as well",
    "language_model_audit.md": "what tests of single parts do as well",
    "language_models.md": "what tests of single parts do as well",
    "repair.md": "what tests of single parts do as well",
    "text.md": "what tests of single parts do as well",
    "test_bounded_rows.py": ARITHMETIC,
    "test_repair_eraser.py::test_aware_is_the_correlation_remover_of_fairlearn": OTHER_PEER,
    "test_repair_eraser.py::test_aware_and_continuous_is_the_correlation_remover_of_fairlearn": OTHER_PEER,
    "test_constrained_history.py": ARITHMETIC,
    "test_constrained_path.py": "paths of fits, which other tests look at one by one",
    "test_final_threshold.py": ARITHMETIC,
    "test_price_controller.py": SIMULATION,
    "test_progress.py": "written by the standard library",
    "test_reduction.py": SIMULATION,
    "test_bias_auc.py": ARITHMETIC,
    "test_paired.py": ARITHMETIC,
    "test_text_association.py": SIMULATION,
    "test_text_generation.py": SIMULATION,
    "test_text_likelihood.py": SIMULATION,
    "test_text_local.py": "transformers, which are there in the newest versions only",
    "test_text_scorers.py": "HTTP and SQLite of the standard library",
    "test_cli_monitor_demo.py": "a year of decisions over parts that other tests look at",
    "test_cli_concerns.py": "commands over what test_monitoring_concerns.py tests",
    "test_monitoring_cohorts.py": ARITHMETIC,
    "test_monitoring_concerns.py": "SQLite, which is that of Python",
    "test_monitoring_evidence.py": SIMULATION,
    "test_monitoring_page.py": "words and pages, made of counts by the standard library",
    "test_monitoring_service.py": "a service of the standard library, and browsers",
    "test_timelines.py": "drawn by the standard library",
    "monitoring.md": "what tests of single parts do as well",
    "concerns.md": "what tests of single parts do as well",
    "comments.md": TRAINING,
    "nets.md": TRAINING,
    "sensitive_attribute.md": "what tests of single parts do as well",
    "test_bounded_loss.py": TRAINING,
    "test_loops.py": TRAINING,
    "test_cross_fitted.py": TRAINING,
    "test_net_device.py": TRAINING,
    "test_net_held_out.py": TRAINING,
    "test_net_margins.py": TRAINING,
    "test_net_strata.py": TRAINING,
    "test_audit_policy.py": "a file and its schema, read by the standard library",
    "test_audit_profiles.py": ARITHMETIC,
    "test_audit_verify.py": "documents, changed and read again by the standard library",
    "test_blind.py": SIMULATION,
    "test_calibration.py::test_temperature_has_the_least_log_loss": SIMULATION,
    "test_calibration.py::test_calibration_makes_probabilities_of_anything": SIMULATION,
    "test_changes.py": SIMULATION,
    "test_composition.py::test_a_search_that_picks_under_a_bound": "the matrix has the same searches",
    "test_demo.py": "the command line's words and numbers, made by estimators that other tests fit",
    "test_documents.py": "words, and a README whose estimators the doctests of docs/ fit as well",
    "test_group_tests.py": ARITHMETIC,
    "test_monitoring_prometheus.py": "text written by the standard library, and read by other programs",
    "test_safety_margin.py": SIMULATION,
    "test_nets.py::test_batches_of_one_row": TRAINING,
    "test_nets.py::test_every_class_is_held_to_the_bound": TRAINING,
    "test_nets.py::test_features_that_tell_nothing": TRAINING,
    "test_nets.py::test_many_calls_of_partial_fit_do_about_as_well_as_fit": TRAINING,
    "test_nets.py::test_separate_columns_are_held_one_by_one": TRAINING,
    "test_nets.py::test_rows_are_held_out_from_ten_thousand_on_or_as_said": TRAINING,
    "test_nets.py::test_several_constraints_have_a_bound_each": TRAINING,
    "test_nets.py::test_the_epoch_that_is_kept_is_the_best_on_rows_held_out": TRAINING,
    "test_nets.py::test_the_rates_do_not_know_of_class_weights": TRAINING,
    "test_package.py": "names, imports and contracts of our own modules",
    "test_pages_browser.py": "pages in a browser: test_pages.py looks at their text",
    "test_penalties.py": "formulas in torch, which is the same in both sets of versions",
    "test_plotting_groups.py": DRAWING,
    "test_plotting_training.py": DRAWING,
    "test_reports_page.py": "commands of a page of docs/, which test_cli_audit.py gives as well",
    "test_resampling.py": SIMULATION,
    "test_statistics.py": SIMULATION,
    "test_threshold_search.py": SIMULATION,
    "test_thresholds.py::test_thresholds_equal_brute_force": SIMULATION,
    "test_verdict_pairs.py": ARITHMETIC,
}

AGAIN = "runs lines that the tests of single estimators run as well, many times over"

#: What runs without a measurement of coverage, which slows Python down to half its speed and less, and why.
NOT_MEASURED = {
    "constrained.md": AGAIN,
    "generation.md": AGAIN,
    "language_model_audit.md": AGAIN,
    "language_models.md": AGAIN,
    "repair.md": AGAIN,
    "text.md": AGAIN,
    "concerns.md": AGAIN,
    "monitoring.md": AGAIN,
    "monitoring_demo.md": AGAIN,
    "prometheus.md": AGAIN,
    "test_bounded_loss.py": AGAIN,
    "test_constrained_boosters.py": AGAIN,
    "test_constrained_input.py": AGAIN,
    "test_constrained_path.py": AGAIN,
    "test_loops.py": AGAIN,
    "test_net_device.py": AGAIN,
    "test_net_held_out.py": AGAIN,
    "test_net_margins.py": AGAIN,
    "test_net_parameters.py": AGAIN,
    "test_net_strata.py": AGAIN,
    "test_price_controller.py": AGAIN,
    "test_cli_monitor_demo.py": AGAIN,
    "test_monitoring_evidence.py": AGAIN,
    "test_penalties.py": AGAIN,
    "audit.md": AGAIN,
    "comments.md": AGAIN,
    "engines.md": AGAIN,
    "metrics.md": AGAIN,
    "nets.md": AGAIN,
    "policy.md": AGAIN,
    "profiles.md": AGAIN,
    "reports.md": AGAIN,
    "searches.md": AGAIN,
    "sensitive_attribute.md": AGAIN,
    "statistics.md": AGAIN,
    "test_blind.py::test_the_rule_is_about_as_good_as_any_of_its_form": AGAIN,
    "test_common.py": AGAIN,
    "test_composition.py": AGAIN,
    "test_demo.py::test_an_intersection_names_its_small_groups": AGAIN,
    "test_demo.py::test_german_credit_says_that_its_gaps_are_noise": AGAIN,
    "test_documents.py": AGAIN,
    "test_matrix.py": AGAIN,
    "test_nets.py": AGAIN,
    "test_pages_browser.py": AGAIN,
    "test_reports_page.py": AGAIN,
    "test_safety_margin.py::test_a_confidence_is_kept": AGAIN,
    "test_statistics.py::test_the_interval_covers_the_true_difference_of_small_groups": AGAIN,
    "test_threshold_search.py::test_one_constraint_equals_brute_force": AGAIN,
    "test_threshold_search.py::test_requirements_equal_brute_force": AGAIN,
    "test_threshold_search.py::test_several_constraints_equal_brute_force": AGAIN,
    "test_thresholds.py::test_thresholds_equal_brute_force": AGAIN,
    "test_warn.py": AGAIN,
    "thresholds.md": AGAIN,
    "verification.md": AGAIN,
}


def stands_in(file: str, test: str, table: dict[str, str]) -> bool:
    """Return whether a table names a test, alone or with its whole file."""
    return file in table or f"{file}::{test}" in table
