"""The table of commands that run here, with the accepted forms of their arguments.

A command parses its arguments and returns a step; it raises `SearchInvalid` before any row is read.
"""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.emulator.mltk import grammar
from dltk_runtime.emulator.mltk.onnx_model import OnnxModel
from dltk_runtime.emulator.mltk.scoring import parse_score
from dltk_runtime.emulator.spl import (
    columns,
    evaluating,
    indexed,
    indexing,
    kvlookups,
    making,
    multivalues,
    ordering,
    sequences,
)
from dltk_runtime.emulator.spl.context import Command, Context, Step
from dltk_runtime.emulator.spl.statistics import buckets, charts, stats, streamstats


def fit(arguments: str, context: Context) -> Step:
    """Train a model in the container, or with one of the toolkit's algorithms."""
    parsed = grammar.parse_fit(arguments)
    return lambda frame: context.mltk.fit(frame, parsed)


def apply(arguments: str, context: Context) -> Step:
    """Score the rows with a model."""
    parsed = grammar.parse_apply(arguments)
    if parsed.onnx:
        model = OnnxModel.find(context.onnx, parsed.model)
        return lambda frame: model.apply(frame, parsed.output_name)
    stub = context.mltk.find(parsed.model)
    return lambda frame: context.mltk.apply(frame, parsed, stub)


def summary(arguments: str, context: Context) -> Step:
    """Read the summary of a model."""
    stub = context.mltk.find(grammar.parse_model(arguments, "summary"))
    return lambda _: context.mltk.summary(stub)


def listmodels(arguments: str, context: Context) -> Step:
    """List the models."""
    grammar.parse_nothing(arguments)
    return lambda _: context.mltk.listmodels()


def deletemodel(arguments: str, context: Context) -> Step:
    """Remove a model's entry in Splunk."""
    name = grammar.parse_model(arguments, "deletemodel")
    context.mltk.require(name)
    return lambda _: context.mltk.deletemodel(name)


def score(arguments: str, _: Context) -> Step:
    """Compare predictions with what is true."""
    return parse_score(arguments)


_BIN = Command(
    buckets.bin_,
    forms=(
        "bin _time span=<n>(s|m|h|d|mon) [AS <field>]",
        "bin <field> (span=<number> | bins=<n> | minspan=<number>) [AS <field>]",
    ),
)

COMMANDS: Mapping[str, Command] = {
    "accum": Command(sequences.accum, forms=("accum <field> [AS <field>]",)),
    "addinfo": Command(indexing.addinfo, forms=("addinfo",)),
    "apply": Command(
        apply, forms=("apply [app:]<model> [AS <name>] [<key>=<value>]…", "apply onnx:<model> [AS <name>]")
    ),
    "autoregress": Command(sequences.autoregress, forms=("autoregress <field> [AS <field>] [p=<n>[-<n>]]",)),
    "bin": _BIN,
    "bucket": _BIN,
    "chart": Command(
        charts.chart,
        forms=(
            "chart <function> [AS <name>] OVER <field> [BY <field>] [limit=<n>] [useother=<bool>] [usenull=<bool>]",
            "chart <function> [AS <name>] BY <field> [<field>]",
        ),
    ),
    "collect": Command(indexing.collect, forms=("collect index=<name> [addinfo=<bool>] [output_format=(raw | hec)]",)),
    "dedup": Command(
        ordering.dedup,
        forms=(
            "dedup [<n>] <field>… [keepempty=<bool>] [keepevents=<bool>] [consecutive=<bool>] [sortby (+|-)<field>…]",
        ),
    ),
    "deletemodel": Command(deletemodel, generates=True, forms=("deletemodel [app:]<model>",)),
    "delta": Command(sequences.delta, forms=("delta <field> [AS <field>] [p=<n>]",)),
    "eval": Command(evaluating.eval_, forms=("eval <field> = <expression> [, <field> = <expression>]…",)),
    "eventstats": Command(stats.eventstats, forms=("eventstats <function> [AS <name>]… [BY <field>…]",)),
    "fields": Command(columns.fields, forms=("fields [+|-] <field>…",)),
    "filldown": Command(columns.filldown, forms=("filldown [<field>…]",)),
    "fillnull": Command(columns.fillnull, forms=("fillnull [value=<text>] [<field>…]",)),
    "fit": Command(
        fit,
        forms=(
            (
                "fit MLTKContainer algo=<notebook> [<key>=<value>]… [<target> from] <feature>… [into [app:]<model>] "
                "[as <name>] [by <field>]"
            ),
            "fit (StandardScaler | PCA | KMeans) <feature>… [<key>=<value>]… [into [app:]<model>] [as <name>]",
            (
                "fit (RandomForestClassifier | LinearRegression) <target> from <feature>… [<key>=<value>]… "
                "[into [app:]<model>] [as <name>]"
            ),
        ),
    ),
    "foreach": Command(evaluating.foreach, forms=("foreach <field>… [eval <field> = <expression>]",)),
    "head": Command(
        ordering.head, forms=("head [<n> | limit=<n>]", "head (<condition>) [null=<bool>] [keeplast=<bool>]")
    ),
    "inputlookup": Command(
        kvlookups.inputlookup,
        generates=True,
        follows=kvlookups.appends,
        forms=(
            "inputlookup [append=<bool>] [start=<n>] [max=<n>] [strict=<bool>] <file>.csv[.gz] [where <conditions>]",
        ),
    ),
    "listmodels": Command(listmodels, generates=True, forms=("listmodels",)),
    "lookup": Command(
        kvlookups.lookup,
        forms=(
            (
                "lookup [local=<bool>] [update=<bool>] <file>.csv <field> [AS <field>]… "
                "[(OUTPUT | OUTPUTNEW) <field> [AS <field>]…]"
            ),
        ),
    ),
    "makemv": Command(multivalues.makemv, forms=("makemv [delim=<text>] [allowempty=<bool>] <field>",)),
    "makeresults": Command(
        making.makeresults,
        generates=True,
        forms=(
            "makeresults [count=<n>] [annotate=<bool>] [splunk_server=local]",
            "makeresults format=(csv | json) data=<text>",
        ),
    ),
    "mvcombine": Command(multivalues.mvcombine, forms=("mvcombine <field>",)),
    "mvexpand": Command(multivalues.mvexpand, forms=("mvexpand <field> [limit=<n>]",)),
    "nomv": Command(multivalues.nomv, forms=("nomv <field>",)),
    "outputlookup": Command(
        kvlookups.outputlookup,
        forms=(
            (
                "outputlookup [append=<bool>] [create_empty=<bool>] [override_if_empty=<bool>] [createinapp=<bool>] "
                "<file>.csv[.gz]"
            ),
        ),
    ),
    "rare": Command(
        stats.rare,
        forms=(
            (
                "rare [<n> | limit=<n>] <field>… [BY <field>…] [showcount=<bool>] [showperc=<bool>] "
                "[countfield=<name>] [percentfield=<name>]"
            ),
        ),
    ),
    "regex": Command(evaluating.regex_, forms=("regex [<field>(= | !=)]<regex>",)),
    "rename": Command(columns.rename, forms=("rename <field> AS <field> [, <field> AS <field>]…",)),
    "replace": Command(evaluating.replace, forms=("replace <value> WITH <value>… IN <field>…",)),
    "reverse": Command(ordering.reverse, forms=("reverse",)),
    "rex": Command(
        evaluating.rex,
        forms=("rex [field=<field>] [max_match=<n>] <regex>", "rex [field=<field>] mode=sed s/<regex>/<text>/[g]"),
    ),
    "sample": Command(
        sequences.sample,
        forms=(
            "sample (<ratio> | ratio=<ratio>) [seed=<n>]",
            "sample (<n> | count=<n>) [seed=<n>] [by <field>]",
            "sample partitions=<n> [seed=<n>] [fieldname=<name>]",
        ),
    ),
    "score": Command(
        score,
        forms=(
            (
                "score (accuracy_score | r2_score | mean_squared_error | mean_absolute_error | "
                "explained_variance_score) <field> against <field>"
            ),
            (
                "score (precision_score | recall_score | f1_score | precision_recall_fscore_support) <field> "
                "against <field> [average=<name>] [pos_label=<value>]"
            ),
        ),
    ),
    "search": Command(
        indexing.search,
        generates=True,
        follows=lambda _: True,
        forms=(
            "search <field>(= | != | < | > | <= | >=)<value> … with AND, OR, NOT, ( )",
            "search <field> IN (<value>, …)",
        ),
    ),
    "sort": Command(
        ordering.sort,
        forms=("sort [<n> | limit=<n>] [+|-]<field>… [desc]", "sort [<n>] [+|-](auto | str | num | ip)(<field>)…"),
    ),
    "stats": Command(stats.stats, forms=("stats <function> [AS <name>]… [BY <field>…]",)),
    "strcat": Command(evaluating.strcat, forms=("strcat [allrequired=<bool>] (<field> | <text>)… <field>",)),
    "streamstats": Command(
        streamstats.streamstats,
        forms=(
            (
                "streamstats [current=<bool>] [window=<n>] [global=<bool>] [time_window=<n>(s|m|h|d)] "
                "[reset_on_change=<bool>] [reset_before=<condition>] [reset_after=<condition>] "
                "<function> [AS <name>]… [BY <field>…]"
            ),
        ),
    ),
    "summary": Command(summary, generates=True, forms=("summary [app:]<model>",)),
    "table": Command(columns.table, forms=("table <field>…",)),
    "tail": Command(ordering.tail, forms=("tail [<n>]",)),
    "timechart": Command(
        charts.timechart,
        forms=(
            "timechart span=<n>(s|m|h|d|mon) [cont=<bool>] <function> [AS <name>]…",
            (
                "timechart span=<n>(s|m|h|d|mon) [cont=<bool>] <function> BY <field> [limit=<n>] [useother=<bool>] "
                "[usenull=<bool>] [otherstr=<text>] [nullstr=<text>]"
            ),
        ),
    ),
    "top": Command(
        stats.top,
        forms=(
            (
                "top [<n> | limit=<n>] <field>… [BY <field>…] [showcount=<bool>] [showperc=<bool>] "
                "[countfield=<name>] [percentfield=<name>]"
            ),
        ),
    ),
    "transpose": Command(
        columns.transpose, forms=("transpose [<n>] [column_name=<name>] [header_field=<field>] [include_empty=<bool>]",)
    ),
    "tstats": Command(
        indexed.tstats,
        generates=True,
        forms=(
            (
                "tstats [fillnull_value=<text>] [local=<bool>] [chunk_size=<n>] [summariesonly=<bool>] "
                "[allow_old_summaries=<bool>] [include_reduced_buckets=<bool>] <function> [AS <name>]… "
                "WHERE index=<name> [<field>=<value>]… [BY [_time span=<n>(s|m|h|d|mon)] <field>…]"
            ),
        ),
    ),
    "untable": Command(charts.untable, forms=("untable <field> <field> <field>",)),
    "where": Command(evaluating.where, forms=("where <condition>",)),
    "xyseries": Command(charts.xyseries, forms=("xyseries <field> <field> <field>",)),
}
