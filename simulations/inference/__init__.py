"""What can be concluded from the test predictions of runs: intervals, tests, ranking, variance, power.

In: predictions as arrays, or scores. Out: frozen records of numbers. It knows neither runs, nor files, nor
Flower. A new method is a page; what it may claim is shown by simulation
(tests/test_inference_calibration.py), and its line is in docs/statistics.md.
"""
