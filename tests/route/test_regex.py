"""Can an expression from a file keep the process busy, and does it mean the same with RE2 and without?"""

import re
import sys

import pytest
import re2
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.route.expressions import proof
from meshkit.route.expressions.reading import Alt, Begin, End, Group, Malformed, Seq, Set, Unproven, parse
from meshkit.route.regex import LONGEST
from meshkit.route.regex import compile as compiled

# What Python's own `re` is trusted with: on whole texts and inside of them, or (WHOLE) on whole texts only.
PROVEN = [
    "",
    "/",
    "/orders",
    "/orders/[0-9]+",
    r"/api/v\d+/users/([^/]+)",
    "/something(/|$)(.*)",
    "/(?P<lang>en|de|fr)/(?P<rest>.*)",
    "(GET|POST|PUT|PATCH)",
    "foo|foobar|",
    "(a|ab)(c|bcd)(d*)",
    "(ab|cd)?abc",
    r"\.(js|json|css)$",
    r"/[^/]*\.html$",
    "^[a-z]+x",
    "^(?:[a-z]+|[0-9]+)-x",
    "(^a|^b)[a-z]*c",
    "(/[a-z]+)*",
    "^(?:[a-z]+,){3}",
    "^[a-z]+(?:,[a-z]+)*$",
    "[a-f0-9]{8}-[a-f0-9]{4}",
    "(a{1,3}){1,3}b",
    "foo.*",
    "foo.*$",
    "^.*foo",
    "^foo.*bar",
    "^(.*?)/old/(.*)$",
    "x*",
    "x*?",
    "(?i)/Api/[a-z]+k?",
    r"^\w+@\W",
    r"[\w.-]+",
    r"[^\d\s]",
    "[a-zc]*",
    "[]a-]",
    r"[\]\-^]",
    r"\x41\t\.\/\_",
    "é[à-ü]",
    r"\Aa\z",
    "()",
    "((a))",
    "a{2}b{2,}c{1,2}d{0,1}?",
    "(?:a|b)??c",
    "[^a]",
    "a]}",
]
WHOLE = [
    r".*\.(js|json|css)",
    ".*foo.*",
    "/(.*)/(.*)",
    "[a-z]+x",
    r"[^@]+@[^@]+\.com",
    "(?:/[a-z]+)*/x",
    r"([a-z]+\.)+com",
    "foo.*bar",
    "a*$",
    ".*-[0-9]*7x",
    "(?:a+b)+",
    "(?:[ab]+c){2}x",
    "(?:.x)*$",
    "(?:[a-z]+,){3}",
    "(?:[ab]*c)*a",
    "(?:^a)?[b-z]+x",
    "^a|[b-z]+x",
]
# What takes RE2: it would take time, or `re` has no such thing.
FOR_RE2 = [
    "(a+)+$",
    "(a|a)*b",
    "(a*)*",
    r"\d+\d+x",
    ".*.*=",
    ".*a.*b",
    "(a|aa)+$",
    "(.*a){20}",
    "(a?){20}a{20}",
    "a?" * 10 + "a" * 10,
    "(a|ab|abc|abcd)(b|bc|bcd)" * 4,
    "(?:ab*)*b",
    "(?:[a-z]+,)*[a-z]+",
    "(?:a|ab)*c",
    "(?:a|)*",
    "(?:ab?)*b",
    r".+@.+\.com",
    "/(.*)/(.*)/(.*)",
    "(?:a|b){999}c",
    "(?:^)*",
    "($|a)+",
    "a^b",
    "a{0}",
    "(|)" * 10,
    r"\pL+",
    r"\Qa.b\E",
    r"\bfoo\b",
    "[[:alpha:]]",
    "a(?i:b)",
    "{id}",
    "a{,3}",
    r"\x{41}",
    "[a-b-c]",
    r"[^\w\W]",
    "(?i)é",
    "(" * 40 + ")" * 40,
]
REFUSED = [
    r"(a)\1",
    r"(a)\12",
    r"\k<n>",
    "(?P=n)",
    "(?=a)",
    "(?!a)",
    "(?<=a)b",
    "(?<!a)b",
    r"\pL(?=a)",
    "(?>a)",
    "(?#a)",
    "(?x)a",
    "(?(1)a)",
    r"\C",
    "a*+",
    "a**",
    "a{2}{3}",
    "*a",
    "a|*",
    "(a",
    "a)",
    "[a",
    "[z-a]",
    r"[a-\d]",
    "(?P<a>x)(?P<a>y)",
    "a{3,2}",
    "a{1001}",
    "a{1001,}",
    "a\\",
    r"\q",
    r"[\1]",
    "\ud800",
    "a" * 1001,
    r"\pL{40}",
]


@pytest.fixture
def without_re2(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)


@pytest.mark.parametrize("pattern", PROVEN)
def test_re_does_what_is_proven(pattern):
    regex = compiled(pattern, search=True)
    assert (regex.engine, regex.pattern) == ("re", pattern)
    assert compiled(pattern).engine == "re"


@pytest.mark.parametrize("pattern", WHOLE)
def test_on_whole_texts_re_does_more(pattern, without_re2):
    assert compiled(pattern).engine == "re"
    with pytest.raises(ConfigError, match=r"install meshkit\[re2\]"):
        compiled(pattern, search=True)


@pytest.mark.parametrize("pattern", FOR_RE2)
def test_the_rest_takes_re2(pattern):
    assert compiled(pattern).engine == "re2"


@pytest.mark.parametrize("pattern", FOR_RE2)
def test_without_re2_the_rest_is_refused(pattern, without_re2):
    with pytest.raises(ConfigError, match=r"^Value: pattern=.*install meshkit\[re2\]"):
        compiled(pattern, policy="Value", option="pattern")


@pytest.mark.parametrize("pattern", REFUSED)
def test_nobody_has_these(pattern, monkeypatch):
    with pytest.raises(ConfigError, match=r"^Match: regex=") as caught:
        compiled(pattern)
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ConfigError) as alone:
        compiled(pattern)
    assert str(alone.value) == str(caught.value) or "RE2" in str(caught.value)


@pytest.mark.parametrize("pattern", [r"(a)\1", r"\pL(?=a)", "(?<n", "(?<=a>b)", "[a", "a**", "(a"])
def test_they_are_refused_in_the_same_words(pattern, monkeypatch):
    said = set()
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            compiled(pattern)
        said.add(str(caught.value))
        monkeypatch.setitem(sys.modules, "re2", None)
    assert len(said) == 1
    assert "install" not in said.pop()


@pytest.mark.parametrize(
    ("pattern", "search", "most"),
    [
        ("(?:(?:a|ab)c){%d}", False, 9),  # 2 ways each: 2^9 is 512
        ("(?:a|ab)" * 8 + "a{0,%d}a", False, 1),  # 2^8 * 2
        (".*(?:ab){%d}", False, 255),  # from each place 510 characters, and the last repeat may end at each
        ("(?:ab){%d}", True, 255),
        ("a[b-z]{%d,}", True, 510),
        ("[a-z]{%d}-", False, 999),  # characters of the expression
    ],
)
def test_ways_and_characters_are_counted(pattern, search, most, without_re2):
    assert compiled(pattern % most, search=search).engine == "re"
    with pytest.raises(ConfigError, match=r"\((there are more than 512 ways|counted repeats)"):
        compiled(pattern % (most + 1), search=search)


@pytest.mark.parametrize("value", [None, b"a", 5])
def test_an_expression_is_text(value):
    with pytest.raises(ConfigError, match="give a regular expression as text"):
        compiled(value)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * 8000 + "b"),
        ("(a|a)*b", "a" * 8000),
        ("(a*)*", "a" * 8000 + "b"),
        (r"\d+\d+x", "1" * 8000),
        (".*.*=", "a" * 8000),
        ("(a|b)*a(a|b){900}c", "ab" * 4000),
    ],
)
def test_re2_is_through_at_once(pattern, text):
    """Where a machine that goes back would take some 8000 times as long, or years."""
    assert compiled(pattern).full(text) is None


# Is what is proven linear? A machine that goes back, as `re` does, but which counts its steps.


def steps(pattern, text, inside):
    node = parse(pattern)
    count = 0

    def run(node, at, go):
        nonlocal count
        count += 1
        match node:
            case Set(ranges):
                return at < len(text) and any(low <= ord(text[at]) <= high for low, high in ranges) and go(at + 1)
            case Begin():
                return at == 0 and go(at)
            case End():
                return at == len(text) and go(at)
            case Group(inner, _):
                return run(inner, at, go)
            case Alt(options):
                return any(run(option, at, go) for option in options)
            case Seq(items):
                return sequence(items, at, go)
        return repeat(node, 0, at, go)

    def sequence(items, at, go):
        return run(items[0], at, lambda then: sequence(items[1:], then, go)) if items else go(at)

    def repeat(node, done, at, go):
        nonlocal count
        count += 1

        def again():
            goes = node.high is None or done < node.high
            return goes and run(node.node, at, lambda then: repeat(node, done + 1, then, go))

        def leave():
            return done >= node.low and go(at)

        return (leave() or again()) if node.lazy else (again() or leave())

    if inside:
        any(run(node, at, lambda _: True) for at in range(len(text) + 1))
    else:
        run(node, 0, lambda at: at == len(text))
    return count


def slow(pattern, inside, before, pumped, after):
    """Whether twice the text takes clearly more than twice the steps, thrice in a row."""
    texts = [before + "".join(each * 2**n for each in pumped) + after for n in (4, 5, 6)]
    taken = [steps(pattern, text, inside) for text in texts]
    return taken[1] > 2.5 * taken[0] and taken[2] > 2.5 * taken[1]


def trusted(pattern, inside):
    try:
        proof.proven(parse(pattern), inside)
    except (Malformed, Unproven):
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "inside", "pumped"),
    [
        (r"\d+\d+x", False, ["1"]),
        (".*.*=", False, ["a"]),
        (".*a.*b", False, ["a"]),
        ("[a-z]+x", True, ["a"]),
        ("foo.*bar", True, ["foo"]),
        ("(?:a+b)+", True, ["a"]),
        ("(?:[ab]+c){2}x", True, ["a"]),
        (".*a[ab]*", False, ["a", "bx"]),
        ("(?:.x)*$", True, ["x"]),
    ],
)
def test_the_counting_sees_what_is_slow(pattern, inside, pumped):
    assert slow(pattern, inside, "", pumped, ";")
    assert not trusted(pattern, inside)


CHARACTERS = st.sampled_from(["a", "b", "c", "[ab]", "[^a]", ".", "[bc]", "/", "^", "$"])
SIGNS = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}", "{0,2}?"])


def larger(smaller):
    both = st.tuples(smaller, smaller)
    return (
        both.map("".join)
        | both.map("|".join).map("({})".format)
        | smaller.map("({}|)".format)
        | smaller.map("({}|$)".format)
        | st.tuples(smaller.map("(?:{})".format), SIGNS).map("".join)
        | st.tuples(smaller.map("({})".format), SIGNS).map("".join)
        | st.tuples(CHARACTERS, SIGNS).map("".join)
    )


PATTERNS = st.recursive(CHARACTERS, larger, max_leaves=8)
WORDS = st.text("abc/x", max_size=3)


@settings(max_examples=100)
@given(PATTERNS, st.booleans(), WORDS, st.lists(WORDS, min_size=1, max_size=2), WORDS)
@example("^[a-z]+(?:,[a-z]+)*$", True, "a", [",a"], ";")
@example(".*-[0-9]*7x", False, "", ["-", "7"], "")
def test_what_is_trusted_takes_linear_time(pattern, inside, before, pumped, after):
    assume(trusted(pattern, inside))
    assert not slow(pattern, inside, before, pumped, after)


# Do both mean the same?


def asked(pattern, ignore_case=False):
    """RE2 itself."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    return re2.compile(pattern, options)


def spans(match, groups):
    return match and [(match.start(group), match.end(group)) for group in range(groups + 1)]


def agree(pattern, text, ignore_case=False):
    regex = compiled(pattern, ignore_case=ignore_case, search=trusted(pattern, True))
    assert regex.engine == "re"
    judge = asked(pattern, ignore_case)
    assert regex.groups == judge.groups
    ways = [(regex.full, judge.fullmatch)]
    if trusted(pattern, True):
        ways.append((regex.search, judge.search))
    for ours, theirs in ways:
        found = spans(ours(text), regex.groups)
        assert found == spans(theirs(text), regex.groups), ours.__name__
        if found:
            assert text[found[0][0] :].startswith(regex.literal)


TEXTS = [
    "",
    "\v",
    "a",
    "\n",
    "aac",
    "abcd",
    "/api/v12/users/ann",
    "/something",
    "/something/new",
    "/en/a\nb",
    "/de/x",
    "foobar",
    "foo\n",
    "a.js",
    "/x.html",
    "abx\n",
    "A\t./_",
    "éü",
    "k\u212as\u017f\u0130i",
    "/API/\u212a\u017f",
    "ab,cd,ef",
    "0a1b2c3d-beef",
    "x@\x85",
    "\u0663\v \x0b",
    "aabbccd",
    "user.name@example.com",
]


@pytest.mark.parametrize("pattern", PROVEN + WHOLE)
def test_re_and_re2_agree(pattern):
    for text in TEXTS:
        agree(pattern, text)


@pytest.mark.parametrize(
    "pattern", ["k", "[^k]", "s", r"\w", r"\W", r"[^\w]", "[a-z]+", "[^a-z]", "i", "[\\dS]", "STRASSE"]
)
def test_they_agree_without_regard_to_case(pattern):
    for text in (*"kK\u212asS\u017fiI\u0130\u0131\xe9\xc9", "stra\u017f\u017fe", "Kk"):
        agree(pattern, text, ignore_case=True)
        agree(f"(?i){pattern}", text)


@settings(max_examples=100)
@given(PATTERNS, st.text("abc/\n\xe9", max_size=8))
def test_they_agree_on_any(pattern, text):
    assume(trusted(pattern, False))
    agree(pattern, text)


RAW = st.text(r"ab\dws[]^-()|*+?{}12,.$:xi", max_size=8)


@settings(max_examples=150)
@given(RAW, st.text("ab12-[]{}\\", max_size=4))
def test_what_is_read_at_all_is_read_as_re2_reads_it(pattern, text):
    try:
        regex = compiled(pattern)
    except ConfigError:
        return
    judge = asked(pattern)
    assert spans(regex.full(text), regex.groups) == spans(judge.fullmatch(text), judge.groups)


def test_re2_is_told_whether_case_counts():
    assert compiled(r"\pL+x", ignore_case=True).full("\xe9X")
    assert compiled(r"\pL+x").full("\xe9X") is None


def test_no_engine_sees_what_no_text_is():
    for pattern in ("(?s:.)*", ".*"):
        regex = compiled(pattern)
        assert regex.full("a" * LONGEST)
        assert regex.full("a" * (LONGEST + 1)) is None
        assert regex.full("\ud800") is None
    assert {compiled("(?s:.)*").engine, compiled(".*").engine} == {"re2", "re"}
    assert compiled("a", search=True).search("b" * LONGEST + "a") is None


def test_what_is_for_whole_texts_does_not_search():
    regex = compiled("a")
    assert regex.full("a")
    with pytest.raises(TypeError, match="compiled for whole texts"):
        regex.search("ba")
    with pytest.raises(TypeError, match="compiled for whole texts"):
        regex.replace("ba", regex.template(""))


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("/api/v[0-9]", "/api/v"),
        ("^/api", "/api"),
        ("/api|/b", ""),
        ("/api/(v1|v2)", "/api/"),
        ("(/a)b(c.)", "/abc"),
        ("ab?", "a"),
        ("ab+c", "ab"),
        ("a{3}b", "aaab"),
        ("(?:ab){2,}c", "abab"),
        ("(?i)/1/a", "/1/"),
        (r"\.\x41", ".A"),
        ("a$b", "a"),
        (r"a\pL", ""),
        ("/x(a+)+", "/xa"),
    ],
)
def test_the_text_with_which_all_begins(pattern, literal):
    assert compiled(pattern).literal == literal


def test_a_match_says_what_was_captured():
    regex = compiled("/(?P<lang>en|de)(/.*)?")
    assert regex.groups == 2
    found = regex.full("/de")
    assert found.groups() == ("de", None)
    assert found.group("lang") == found.group(1) == "de"


TEMPLATES = [
    ("/$1", "/ann"),
    ("${1}0", "ann0"),
    ("$0!", "/users/ann/7!"),
    ("${id}/${name}/$3", "7/ann/"),
    ("\\2-\\1", "7-ann"),
    ("$$1 \\\\1", "$1 \\1"),
    ("", ""),
    ("plain", "plain"),
    ("{1}", "{1}"),
]


@pytest.mark.parametrize(
    "pattern", ["/users/(?P<name>[a-z]+)/(?P<id>[0-9])(x)?", r"/users/(?P<name>\pL+)/(?P<id>\d)(x)?"]
)
@pytest.mark.parametrize(("text", "filled"), TEMPLATES)
def test_a_template_is_filled(pattern, text, filled):
    regex = compiled(pattern)
    template = regex.template(text)
    assert template(regex.full("/users/ann/7")) == filled
    assert template.text == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$2", "none of the 1 groups"),
        ("\\2", "none of the 1 groups"),
        ("${2}", "none of the 1 groups"),
        ("${other}", "none of the 1 groups"),
        ("$10", "write ${10} or ${1}0"),
        ("\\10", "write ${10} or ${1}0"),
        ("$name", "write $$"),
        ("$", "write $$"),
        ("${", "write $$"),
        ("\\", "write $$"),
        ("\\n", "write $$"),
        ("a\r", "line ends"),
        ("a\nb", "line ends"),
        ("\0", "line ends"),
        ("a" * 1001, "at most 1000 characters"),
        (None, "give text"),
    ],
)
def test_a_template_is_checked(text, said):
    with pytest.raises(ConfigError, match=rf"^Redirect: path=.*{re.escape(said)}"):
        compiled("(?P<name>a)").template(text, option="path", policy="Redirect")


def test_what_matches_first_is_replaced():
    regex = compiled("/(v[0-9])/", search=True)
    template = regex.template("/${1}x/")
    assert regex.replace("/api/v1/v2/", template) == "/api/v1x/v2/"
    assert regex.replace("/api", template) == "/api"
    anchored = compiled("^(.*?)/old/(.*)$", search=True)
    assert anchored.replace("/a/old/b/old/c", anchored.template("$1/new/$2")) == "/a/new/b/old/c"


def test_what_re_is_given_is_a_plain_expression():
    """Anchors of the text and possessive repeats: nothing that depends on flags, and no warning."""
    shown = proof.proven(parse("^/a[0-9]*(b|$)"), False)
    assert shown == r"\A\U0000002fa[0-9]*+((?:b|\Z))"
    assert re.compile(shown).fullmatch("/a12b")
