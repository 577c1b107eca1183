"""Tests of what needs no server: medians, verdicts, tables, the chart. Ends with the counts that `scripts/test` adds up."""

import sys
import tempfile
import unittest
import xml.etree.ElementTree as Xml
from pathlib import Path
from unittest import mock

import workbench

import bench
import chart
import generator
import growth
import harness
import instructions
import machine
import scale
import series
import states
import steadiness
import tables
import trial
from judge import ECHO, OURS, REFERENCE, SYNC, Rail, holds, judge, medians, rails, summary, verdicts
from rows import SCENARIOS
from targets import LONE_WRITES, METRICS, TARGETS, Bound, Target

LIMITS = {ECHO: {"p50": 50.0}, SYNC: {"p50": 80.0}}


def target(metric, must, aim=None, row="a row"):
    return Target("", row, metric, must, aim or must)


def rows(metric, reference, ours, row="a row"):
    return {row: {REFERENCE: {metric: reference}, OURS: {metric: ours}}}


def results():
    """Two rounds of one row; the reference failed once."""
    def entry(**metrics):
        return {"metrics": metrics, "raw": {}}

    return {"date": "2026-01-02", "quick": False, "rounds": 2, "reference": "3.9.5", "ours": "abc",
            "machine": {"cpu": "a CPU", "cores": 2, "memory_gb": 8, "kernel": "6.1", "disk": "ext4 on /dev/x"},
            "limits": {ECHO: [entry(p50=50.0)], SYNC: [entry(rate=1000.0, p50=80.0)]},
            "rows": {"set 128 B 1x1": {REFERENCE: [entry(p50=400.0, cpu=100.0, rate=2000.0), {"error": "why"}],
                                       OURS: [entry(p50=100.0, cpu=10.0, rate=900.0, failed=0, silent=0),
                                              entry(p50=140.0, cpu=30.0, rate=800.0, failed=0, silent=0)]}}}


class Judging(unittest.TestCase):
    def test_the_median_of_each_metric_over_the_rounds_that_have_it(self):
        entries = [{"metrics": {"p50": 3, "cpu": 1}}, {"error": "why"}, {"metrics": {"p50": 9}}, {"metrics": {"p50": 4}}]
        self.assertEqual(medians(entries), {"p50": 4, "cpu": 1})
        self.assertEqual(medians([]), {})

    def test_bounds(self):
        for bound, metric, reference, ours, expected in [
            (Bound(ratio=1 / 8), "cpu", 80, 10, True),
            (Bound(ratio=1 / 8), "cpu", 80, 10.1, False),
            (Bound(ratio=5), "rate", 100, 500, True),
            (Bound(ratio=5), "rate", 100, 499, False),
            (Bound(most=20), "growth", 0, 20, True),
            (Bound(most=0), "lost", None, 1, False),
            (Bound(echoes=1.4), "p50", None, 70, True),
            (Bound(ratio=0.6, echoes=1.4), "p50", 200, 71, False),
            (Bound(ratio=0.6, echoes=1.4), "p50", 100, 70, False),
            (Bound(over=20), "p50", None, 150, True),
            (Bound(over=20), "p50", None, 151, False),
            (Bound(ratio=1 / 8), "cpu", None, 10, None),
            (Bound(ratio=1 / 8), "cpu", 0, 10, None),
            (Bound(ratio=1 / 8), "cpu", 80, None, None),
        ]:
            self.assertIs(holds(bound, metric, reference, ours, LIMITS), expected, (bound, reference, ours))
        self.assertIsNone(holds(Bound(over=20), "p50", 100, 10, {}))

    def test_verdicts(self):
        must, aim = Bound(ratio=1 / 2), Bound(ratio=1 / 4)
        for reference, ours, says in [(100, 25, "aim"), (100, 26, "must"), (100, 51, "MISSED"), (None, 1, "-"), (100, None, "-")]:
            self.assertEqual(judge(target("cpu", must, aim), rows("cpu", reference, ours), LIMITS).says, says)
        # An aim that cannot be looked at is not met.
        self.assertEqual(judge(target("p50", must, Bound(over=20)), rows("p50", 100, 50), {}).says, "must")

    def test_rails_break_where_ours_is_worse_or_stood_still(self):
        measured = {"row": {REFERENCE: {"p50": 10, "p99": 10, "rate": 5}, OURS: {"p50": 10, "p99": 11, "rate": 1, "failed": 1, "silent": 0}}}
        broken = [rail.what for rail in rails(measured, LIMITS) if not rail.holds]
        self.assertEqual(broken, ["p99 no worse", "no failed operation"])
        self.assertEqual(len(rails(measured, LIMITS)), 4)

    def test_more_lone_writes_than_syncs_are_seen(self):
        for rate, expected in ((12_500, True), (12_501, False)):
            self.assertEqual([rail.holds for rail in rails(rows("rate", 1, rate, LONE_WRITES[0]), LIMITS)], [expected])

    def test_every_target_has_its_row_and_every_row_its_name_once(self):
        names = [row for scenario in SCENARIOS for row in scenario.rows]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({one.row for one in TARGETS} | set(LONE_WRITES), set(names))
        self.assertLessEqual({one.metric for one in TARGETS}, set(METRICS))
        self.assertEqual(len({(one.row, one.metric) for one in TARGETS}), len(TARGETS))

    def test_an_aim_asks_for_more_than_its_must(self):
        for one in TARGETS:
            must, aim = one.must.ratio, one.aim.ratio
            if must is not None and aim is not None:
                self.assertTrue(aim > must if METRICS[one.metric].more else aim < must, one)


class Telling(unittest.TestCase):
    def test_numbers(self):
        for value, text in [(None, "–"), (0, "0"), (0.444, "0.44"), (14.06, "14.1"), (281.4, "281"), (104_000.4, "104,000")]:
            self.assertEqual(tables.number(value), text)
        self.assertEqual([tables.with_unit("p50", value) for value in (9_999, 50_000, None)], ["9,999 µs", "50 ms", "–"])

    def test_ratios(self):
        for value, text in [(None, "–"), (0.1, "1/10.0"), (0.5, "0.50"), (1.04, "1.04"), (5.26, "5.3x")]:
            self.assertEqual(tables.ratio_text(value), text)

    def test_bounds(self):
        for bound, metric, text in [
            (Bound(ratio=1 / 14), "cpu", "≤ 1/14"),
            (Bound(ratio=0.55), "p50", "≤ 0.55"),
            (Bound(ratio=10), "rate", "≥ 10x"),
            (Bound(ratio=0.6, echoes=1.4), "p50", "≤ 0.6, ≤ 1.4x echo"),
            (Bound(over=20), "p50", "≤ sync + echo + 20 µs"),
            (Bound(most=20_000), "max", "≤ 20 ms"),
            (Bound(most=0), "lost", "≤ 0"),
        ]:
            self.assertEqual(tables.bound_text(bound, metric), text)

    def test_the_tables(self):
        judged, railed = self.judged()
        told = tables.markdown(results(), *summary(results()), judged, railed)
        self.assertIn("2026-01-02, a CPU, 2 cores, 8 GB, Linux 6.1, ext4 on /dev/x; Apache 3.9.5, Rookeeper abc.", told)
        self.assertIn("| set 128 B 1x1 | p50 | 400 µs | 120 µs | 1/3.3 | ≤ 0.6 | ≤ sync + echo + 20 µs | aim |", told)
        self.assertIn("|  | CPU/op | 100 µs | 20 µs | 1/5.0 | ≤ 1/4 | ≤ 1/5 | aim |", told)
        self.assertIn("| set 128 B 1x1 | 2,000 / 850 | 400 / 120 | – / – | 100 / 20 |", told)
        self.assertIn("2 of 2 targets met, 2 of them as aimed. Guard rails: 5 of 5 hold.", told)
        widths = {line.count("|") for line in told.splitlines() if line.startswith("| set")}
        self.assertEqual(widths, {9, 6})
        self.assertIn("set 128 B 1x1  p50", tables.plain(judged))

    def test_columns_of_numbers_end_together(self):
        header, lines = ["a", "number", "c"], [["long", "1", "x"]]
        self.assertEqual(tables.plain_table(header, lines, [1]), ["a     number  c", "long       1  x"])
        self.assertEqual(tables.markdown_table(header, lines, [1]), ["| a | number | c |", "| --- | ---: | --- |", "| long | 1 | x |"])

    def test_what_is_broken_or_missing_is_told(self):
        said = tables.rails_text([Rail("a", "b", True, ""), Rail("row", "p99 no worse", False, "11 to 10 µs")])
        self.assertEqual(said, ["Guard rails: 1 of 2 hold.", "row: p99 no worse: 11 to 10 µs"])
        unknown = [judge(target("cpu", Bound(ratio=0.5)), rows("cpu", None, 1), {})]
        self.assertEqual(tables.tally(unknown), "0 of 0 targets met, 0 of them as aimed; 1 without figures")
        self.assertEqual(workbench.failures(results()), ["set 128 B 1x1, Apache: why"])

    def test_a_readme_keeps_what_stands_around_the_markers(self):
        text = f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n"
        once = tables.put_between(text, "new\n")
        self.assertEqual(once, f"before\n{tables.BEGIN}\nnew\n{tables.END}\nafter\n")
        self.assertEqual(tables.put_between(once, "new"), once)
        for broken in ("", tables.BEGIN, tables.END):
            self.assertRaises(ValueError, tables.put_between, broken, "new")

    def test_the_readme_has_the_markers(self):
        tables.put_between(bench.README.read_text(), "")

    def test_the_chart_is_xml_with_a_bar_for_each_known_figure(self):
        judged, _ = self.judged()
        judged.append(judge(target("cpu", Bound(ratio=0.5), row="<&>"), rows("cpu", 10, 40, "<&>"), {}))
        judged.append(judge(target("cpu", Bound(ratio=0.5)), rows("cpu", None, 1), {}))
        drawn = chart.svg(judged)
        texts = [element.text for element in Xml.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
        self.assertTrue({"set 128 B 1x1, p50", "3.3x", "<&>, CPU/op", "0.2x"} <= set(texts), texts)
        self.assertIn("prefers-color-scheme: dark", drawn)
        self.assertEqual(sum(f'height="{chart.LINE - 7}"' in line for line in drawn.splitlines()), 3)

    def test_the_scale_of_the_chart_is_cut_off(self):
        self.assertEqual([chart.place(times) for times in (1 / 8, 1e9)], [chart.LABELS, chart.LABELS + chart.BARS])
        self.assertAlmostEqual(chart.place(4) - chart.place(2), chart.place(2) - chart.place(1))

    def judged(self):
        measured, limits = summary(results())
        return verdicts(measured, limits), rails(measured, limits)


class Limits:
    """Of open files; only root may raise the hard one."""

    def __init__(self, soft, hard, is_root):
        self.now, self.is_root = (soft, hard), is_root

    def get(self, _):
        return self.now

    def set(self, _, limits):
        if limits[1] > self.now[1] and not self.is_root:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


class Measuring(unittest.TestCase):
    def test_seconds_without_a_reply(self):
        for told, expected in [
            ({"measured_s": 3.0, "per_second": [5, 0, 7, 1]}, 1),
            ({"measured_s": 3.0, "per_second": [5]}, 2),
            ({"measured_s": 0.3, "per_second": [5]}, 0),
            ({}, 0),
        ]:
            self.assertEqual(generator.silent_seconds(told), expected)

    def test_metrics_of_a_run(self):
        told = {"operations_per_s": 7.5, "p50_us": 1.0, "errors": {"NoNode": 2, "NodeExists": 1}, "per_second": [1], "measured_s": 1.0}
        self.assertEqual(generator.metrics_of(told), {"rate": 7.5, "p50": 1.0, "failed": 3, "silent": 0})

    def test_the_words_of_a_run(self):
        words = generator.Generator("b").words("set", ["h:1", "h:2"], [7, 8], 1, 0.5, {"connections": 3, "warm_up_too": True})
        self.assertEqual(" ".join(words), "b bench set --json --servers h:1,h:2 --seconds 1 --warm-up 0.5 --pid 7,8 --connections 3 --warm-up-too")

    def test_the_file_system_is_that_of_the_deepest_mount(self):
        mounts = "/dev/a / ext4 rw 0 0\ntmpfs /data tmpfs rw 0 0\n/dev/b /data/deep xfs rw 0 0\n"
        for folder, expected in [("/data/deep/er", "xfs on /dev/b"), ("/data/deeper", "tmpfs on tmpfs"), ("/x", "ext4 on /dev/a")]:
            self.assertEqual(machine.file_system(mounts, folder), expected)

    def test_as_many_open_files_as_are_wanted_or_as_there_can_be(self):
        for soft, hard, wanted, is_root, expected in [(10, 50, None, False, (50, 50)), (50, 50, None, False, (50, 50)), (10, 50, 20, False, (20, 50)),
                                                      (30, 50, 20, False, (30, 50)), (10, 50, 90, True, (90, 90)), (10, 50, 90, False, (50, 50))]:
            limits = Limits(soft, hard, is_root)
            with mock.patch.multiple(workbench.resource, getrlimit=limits.get, setrlimit=limits.set):
                self.assertEqual((workbench.allow_open_files(wanted), limits.now), (expected[0], expected))

    def test_a_number_of_mntr(self):
        told = "zk_version\t3.9.5, built long ago\nzk_snap_count\t12\nzk_avg_latency\t0.5\n"
        for said, name, expected in [(told, "snap_count", 12), (told, "avg_latency", 0.5), (told, "count", None), ("", "snap_count", None),
                                     ("This ZooKeeper instance is not currently serving requests\n", "snap_count", None)]:
            with mock.patch.object(harness, "four_letters", return_value=said):
                self.assertEqual(trial.mntr_number(mock.Mock(port=1), name), expected)

    def test_syncs_take_their_time(self):
        with tempfile.TemporaryDirectory() as folder:
            told = machine.syncs(folder, 0.02)
            self.assertTrue(told["rate"] > 0 and told["p50"] <= told["p99"] and not list(Path(folder).iterdir()))

    def test_only_the_snapshot_of_an_empty_tree_stays(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("snapshot.0", "snapshot.1f", "snapshot.100000000", "log.1"):
                (Path(folder) / name).touch()
            self.assertEqual(states.remove_snapshots(Path(folder)), ["snapshot.1f", "snapshot.100000000"])
            self.assertEqual(sorted(path.name for path in Path(folder).iterdir()), ["log.1", "snapshot.0"])


class Instructions(unittest.TestCase):
    def test_set_up_does_not_count(self):
        for once, twice, operations, expected in [(1100, 1200, 10, 10), (1000, 1000, 5, 0), (7, 10, 2, 1.5)]:
            self.assertEqual(instructions.per_operation(once, twice, operations), expected)

    def test_the_total_of_callgrind(self):
        told = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n==7== I   refs:      1,234,567\n"
        self.assertEqual(instructions.collected(told), 1_234_567)
        self.assertRaises(ValueError, instructions.collected, "valgrind: cannot execute")

    def test_only_what_changed_by_a_tenth_is_marked(self):
        for now, before, mark in [(110, 100, ""), (111, 100, "GREW"), (90, 100, ""), (89, 100, "fell"), (5, None, "not listed")]:
            self.assertEqual(instructions.Counted("way", now, before).mark, mark)

    def test_the_list_is_read_as_it_is_written(self):
        written = instructions.listed("rustc 1.2.3 a-host", {"a-way": 10.4, "b-way": 2_000_000.0})
        self.assertEqual(instructions.parse(written), ("rustc 1.2.3 a-host", {"a-way": 10.0, "b-way": 2_000_000.0}))
        self.assertEqual(instructions.parse(""), ("", {}))

    def test_rows_and_what_is_said_below(self):
        grown, new = instructions.Counted("a-way", 1200.0, 1000.0), instructions.Counted("b-way", 7.0, None)
        self.assertEqual(instructions.row(grown).split(), ["a-way", "1,200", "1,000", "+20.0", "%", "GREW"])
        self.assertEqual(instructions.row(new).split(), ["b-way", "7", "–", "not", "listed"])
        self.assertEqual(instructions.verdict([grown, new], "rustc 1", "rustc 1"), "grew by more than 10 %: a-way")
        self.assertEqual(instructions.verdict([new], "rustc 1", "rustc 2"),
                         "none grew by more than 10 %; the list was made with rustc 1, this is rustc 2: expect differences")


def replies(*times, latency=1_000):
    """Replies that came at these seconds."""
    return [(round(time * 1e6), latency) for time in times]


def a_second(begin, count=10):
    return [begin + (part + 0.5) / count for part in range(count)]


class Steadying(unittest.TestCase):
    EVEN = replies(*(time for second in range(100, 120) for time in a_second(second)))

    def test_an_event_that_nobody_notices(self):
        one = series.steady(self.EVEN, 105.0, 108.0, 10)
        self.assertEqual((one.series, one.before, one.worst, one.lasted), ([10] * 8, 3, 10, 3.0))
        self.assertAlmostEqual(one.gap_ms, 100.0)
        self.assertEqual((one.p999_ms, one.max_ms), (1.0, 1.0))
        self.assertEqual(series.series_text(one), "10 10 10 | 10 10 10 | 10 10")

    def test_a_silence_counts_whole_wherever_it_begins_and_ends(self):
        for silent, gap in [((105.0, 107.0), 2100.0), ((103.0, 106.0), 3100.0), ((109.0, 113.0), 4100.0)]:
            left = [one for one in self.EVEN if not silent[0] <= one[0] / 1e6 < silent[1]]
            told = series.steady(left, 105.0, 108.0, 10)
            self.assertAlmostEqual(told.gap_ms, gap, msg=silent)
            self.assertEqual(told.worst, 0, silent)

    def test_a_server_that_answers_nobody(self):
        one = series.steady([], 105.0, 108.0, 10)
        self.assertEqual((one.series, one.worst, one.p999_ms), ([0] * 5, 0, None))
        self.assertAlmostEqual(one.gap_ms, 5000.0)
        self.assertEqual(series.verdict(None, one), "SILENT")

    def test_only_replies_that_came_within_the_event_count_for_its_latencies(self):
        slow = sorted([*self.EVEN, (104_500_000, 9_000_000), (106_500_000, 40_000)])
        one = series.steady(slow, 105.0, 108.0, 10)
        self.assertEqual((one.p50_ms, one.p999_ms, one.max_ms), (1.0, 40.0, 40.0))

    def test_parts(self):
        latencies = [number * 1_000 for number in range(1, 1_001)]
        self.assertEqual([series.part(latencies, share) for share in (0.5, 0.999, 1.0)], [500.0, 999.0, 1000.0])
        self.assertEqual(series.part([7_000], 0.999), 7.0)
        self.assertIsNone(series.part([], 0.5))

    def test_verdicts(self):
        def one(worst=10, gap=100.0, p999=5.0, failed=0):
            return series.Steady(1.0, [worst], 0, worst, gap, 1.0, p999, p999, 10, failed)

        for reference, ours, says in [
            (one(), one(), "holds"),
            (one(), None, "-"),
            (None, one(), "holds"),
            (one(p999=4.0), one(p999=5.0), "holds, p99.9 is worse"),
            (one(worst=0), one(worst=0), "SILENT"),
            (one(), one(gap=1_000.0), "SILENT"),
            (one(), one(worst=0, failed=2), "SILENT, 2 REFUSED"),
        ]:
            self.assertEqual(series.verdict(reference, ours), says)

    def test_replies_are_read_in_the_order_in_which_they_came(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "replies"
            file.write_text("20 1\n10 2\n")
            self.assertEqual(series.replies_of(file), [(10, 2), (20, 1)])

    def test_the_tables(self):
        told = {**series.steady(self.EVEN, 105.0, 108.0, 10).told(), "extra": "5 logs"}
        found = {"date": "d", "machine": results()["machine"], "quick": True, "reference": "3.9.5", "ours": "abc", "notes": ["a note"],
                 "rows": {"a log rolls": {REFERENCE: [{"error": "why"}], OURS: [told]}}}
        text = steadiness.markdown(found)
        self.assertIn("| a log rolls | – / 3 | – / 10 | – / 100 | – / 1 | – / 1 | – / 1 | holds |", text)
        self.assertIn("* a log rolls, Rookeeper (5 logs): 10 10 10 | 10 10 10 | 10 10\n", text)
        self.assertTrue("a note" in text and "its figures mean nothing" in text)
        self.assertIn("a log rolls", "\n".join(tables.plain_table(steadiness.HEADER, steadiness.lines(found))))

    def test_old_snapshots_are_multiplied(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("snapshot.0", "snapshot.2", "snapshot.1f"):
                (Path(folder) / name).write_text(name)
            self.assertEqual(steadiness.more_snapshots(Path(folder), 7), 7)
            self.assertEqual(sorted(states.snapshots(Path(folder)))[:2] + [max(states.snapshots(Path(folder)))], [0, 1, 0x1F])
            self.assertEqual((Path(folder) / "snapshot.1").read_text(), "snapshot.2")


class Growing(unittest.TestCase):
    def test_powers(self):
        for points, says in [([(10, 5), (100, 50)], "as n"), ([(10, 5), (20, 9), (100, 500)], "as n^2.00"), ([(10, 5), (1000, 5)], "as n^0.00"),
                             ([(10, 5)], "–"), ([(10, 0), (20, 4)], "–"), ([], "–")]:
            self.assertEqual(growth.exponent_text(growth.exponent(points)), says, points)

    def test_what_grows_in_the_last_third_alone(self):
        for values, expected in [([1, 2], None), ([10, 100, 200, 200, 200, 200], False), ([200, 200, 200, 200, 230, 230], True),
                                 ([0, 0, 100, 100, 104, 104], False)]:
            self.assertIs(growth.grown(values, 4), expected, values)

    def test_a_long_run(self):
        def run(minutes=60, **changes):
            even = {"rss": 100e6, "open_files": 20, "threads": 5, "files": 50}
            samples = [dict(even) for _ in range(9)]
            samples[-1]["files"] = 8
            for name, (first, step) in changes.items():
                for place, one in enumerate(samples):
                    one[name] = first + place * step
            return growth.endurance(samples, [1_000] * 5, 0, minutes)

        self.assertEqual(run(), [])
        self.assertEqual(run(rss=(100e6, 10e6)), ["RSS grows (100 to 180 MB)"])
        self.assertEqual(run(open_files=(20, 5)), ["descriptors grow (20 to 60)"])
        self.assertEqual(run(files=(10, 10)), ["files grow (10 to 90)"])
        # Before an hour is over nothing is purged.
        self.assertEqual(run(10, files=(10, 10)), [])
        one = {"rss": 1, "open_files": 1, "threads": 1, "files": 1}
        self.assertEqual(growth.endurance([one], [5, 0], 3, 1), ["1 seconds without a write", "3 writes refused"])

    def test_the_command_as_it_would_be_typed(self):
        words = generator.Generator("/x/y/rookeeper").words("fill", ["h:1"], [7], 1, 0, {"count": 5, "keep": True})
        self.assertEqual(scale.command_of(words), "rookeeper bench fill --servers HOST:PORT --seconds 1 --warm-up 0 --pid PID --count 5 --keep")

    def test_the_tables(self):
        def step(count, rss):
            return {"number": count, "rss": rss, "cpu": count / 1e6, "seconds": 2.0, "beside": "b", "command": "rookeeper bench idle"}

        samples = [{"rss": 5e6, "open_files": 9, "threads": 2, "files": 3}] * 6
        long = {"minutes": 1, "samples": samples, "per_second": [1], "rate": 1000.0, "p999_ms": 2.5, "failed": 0, "command": "rookeeper bench set"}
        found = {"date": "d", "machine": results()["machine"], "quick": False, "reference": "3.9.5", "ours": "abc", "notes": [],
                 "rows": {"watches": {REFERENCE: [step(10, 4000), {"error": "why"}], OURS: [step(10, 1000), step(100, 10_000)]},
                          scale.ENDURANCE: {OURS: [long]}}}
        text = scale.markdown(found)
        self.assertIn("| watches | 10 | 400 / 100 | 1 / 1 | 5 / 5 | b / b | `scripts/scale --rows 'watches'` |", text)
        self.assertIn("| watches | 100 | – / 100 | – / 1 | – / 50 | – / b |", text)
        self.assertIn("* watches, Rookeeper: memory grows as n, CPU as n, time as n^0.00\n", text)
        self.assertIn("| 1,000 writes/s for an hour (1 minutes), Rookeeper | 5, 5, 5 | 9, 9, 9 | 3, 3, 3 | 1,000 | 2.50 | nothing grows |", text)
        self.assertIn("* `rookeeper bench idle`\n* `rookeeper bench set`\n", text)
        for chosen, there, left_out in [("watches", scale.HEADER, scale.ENDURING), (scale.ENDURANCE, scale.ENDURING, scale.HEADER)]:
            part = {**found, "rows": {chosen: found["rows"][chosen]}}
            for told in (scale.plain(part), scale.markdown(part)):
                self.assertIn(there[2], told)
                self.assertNotIn(left_out[2], told)

    def test_what_needs_open_files_is_cut_to_them(self):
        asked = {"sessions": (10, 50, 100), "watches": (500, 1_000)}
        amounts = scale.Amounts(**{**{field: () for field in scale.Amounts.__dataclass_fields__}, **asked})
        for name, connected, most, expected in [("sessions", True, 100, (10, 50, 100)), ("sessions", True, 40, (10, 20, 40)),
                                                ("sessions", False, 40, (10, 50, 100)), ("watches", False, 40, (500, 1_000)), (None, False, 40, (None,))]:
            self.assertEqual(scale.counts(scale.Row("a row", name, None, is_connected=connected), amounts, most), expected)

    def test_a_row_is_found_by_its_own_name(self):
        import re
        for row in scale.ROWS:
            self.assertTrue(re.search(row.name, row.name))
            self.assertTrue(row.amounts is None or all(getattr(amounts, row.amounts) for amounts in (scale.WHOLE, scale.QUICK)))


class Running(unittest.TestCase):
    """A program of our own stands in for the load."""

    def run_of(self, script):
        return generator.Running(["sh", "-c", script, "what"])

    def test_what_it_says_is_waited_for_and_its_input_ends_it(self):
        running = self.run_of('echo ready >&2; cat; echo "{\\"a\\": 1}"')
        try:
            running.await_line("ready", 20)
            self.assertEqual(running.finish(20), {"a": 1})
        finally:
            running.end()

    def test_the_last_words_of_a_run_that_fails_are_the_error(self):
        running = self.run_of("echo one >&2; echo why >&2; exit 2")
        self.assertRaisesRegex(AssertionError, "^why$", running.finish, 20)
        self.assertRaisesRegex(AssertionError, "^why$", running.await_line, "ready", 20)
        running.end()

    def test_a_run_that_does_not_end_is_ended(self):
        running = self.run_of("exec sleep 600")
        self.assertRaisesRegex(AssertionError, "has not ended", running.finish, 0.05)
        self.assertIsNotNone(running.process.poll())


def main():
    done = unittest.main(argv=["tests", *sys.argv[1:]], exit=False).result
    failed = len(done.failures) + len(done.errors)
    print(f"{done.testsRun - failed - len(done.skipped)} passed, {failed} failed, {len(done.skipped)} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
