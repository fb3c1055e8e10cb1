//! Templates that go wrong: each ends, with an error that names the line.

use mynah_model::template::{ChatInput, ChatTemplate, Message, TemplateError};

use crate::rendering::tokenizer;

fn render(source: &str, messages: &[Message]) -> Result<String, TemplateError> {
    let template = ChatTemplate::new(source, &tokenizer())?;
    let rendered = template.render(&ChatInput { messages, ..ChatInput::default() })?;
    Ok(rendered.text().to_owned())
}

#[test]
fn values_that_lie_deep_in_each_other_overflow_no_stack() {
    for step in [
        "[n.x]",
        "{'a': n.x}",
        "(n.x,)",
        "n.x[0:]",
        "n.x | reverse",
        "[n.x] | batch(1) | list",
        "namespace(a=n.x)",
        "dict(a=n.x)",
        "n.x | select",
    ] {
        let source = format!(
            "\n{{% set n = namespace(x=[1]) %}}{{% for i in range(99999) %}}{{% for j in \
             range(99999) %}}{{% set n.x = {step} %}}{{% endfor %}}{{% endfor %}}"
        );
        let error = render(&source, &[]).expect_err("it does not end");
        let line = match error {
            TemplateError::Endless { line } | TemplateError::Failed { line, .. } => line,
            other => panic!("{step}: {other}"),
        };
        assert_eq!(line, 2, "{step}");
        for look in ["n.x", "n.x | list", "n.x | tojson", "n.x == [1]", "[n.x] | join", "n.x ~ ''"]
        {
            let source = format!(
                "{{% set n = namespace(x=[1]) %}}{{% for i in range(5000) %}}\
                 {{% set n.x = {step} %}}{{% endfor %}}{{{{ {look} }}}}"
            );
            match render(&source, &[]) {
                Ok(text) => assert!(!text.is_empty(), "{step} {look}"),
                Err(TemplateError::Endless { line } | TemplateError::Failed { line, .. }) => {
                    assert_eq!(line, 1, "{step} {look}");
                }
                Err(other) => panic!("{step} {look}: {other}"),
            }
        }
    }
}

#[test]
fn a_namespace_lies_in_no_other_value() {
    for wrong in [
        "{% set n.x = n %}",
        "{% set m = namespace() %}{% set n.x = m %}",
        "{% set n.x = [n] %}",
        "{% set n.x = {'a': [n]} %}",
        "{% set n.x, y = n, 1 %}",
        "{% set m = namespace(a=n) %}",
        "{% set m = namespace({'a': n}) %}",
        "{% set m = dict(a=n) %}",
    ] {
        let error = render(&format!("{{% set n = namespace() %}}\n{wrong}"), &[]);
        let error = error.expect_err(wrong).to_string();
        assert!(error.contains("line 2") && error.contains("a namespace cannot lie in"), "{error}");
    }
    for (source, expected) in [
        ("{% set n = namespace(a=1, b=[2]) %}{{ n.a }}{{ n['b'] }}{{ n.c }}", "1[2]"),
        ("{% set n = namespace({'a': 1}) %}{% set n.a = n.a + 1 %}{{ n.a }}", "2"),
        ("{% set n = namespace() %}{% set n.x, y = 1, 2 %}{{ n.x }}{{ y }}", "12"),
        ("{% set n = namespace(b=1) %}{% set n.a = 2 %}{% for k in n %}{{ k }}{% endfor %}", "ab"),
        (
            "{% macro f(n) %}{% set n.x = 3 %}{% endmacro %}{% set n = namespace() %}{{ f(n) }}{{ n.x }}",
            "3",
        ),
        ("{% set n = namespace() %}{% set n.x %}a{{ 1 }}{% endset %}{{ n.x }}", "a1"),
        (
            "{% set n = namespace(x=0) %}{% for i in [1, 2, 3] %}{% if i is odd %}{% set n.x = n.x + i %}{% else %}{% continue %}{% endif %}{% else %}no{% endfor %}{{ n.x }}",
            "4",
        ),
    ] {
        assert_eq!(render(source, &[]).as_deref(), Ok(expected), "{source}");
    }
    let error = render("{% set a = {} %}{% set a.x = 1 %}", &[]).expect_err("no namespace");
    assert!(error.to_string().contains("can only assign to namespaces, not map"), "{error}");
    let error = render("{% set a = {[1]: 1} %}", &[]).expect_err("no key");
    assert!(error.to_string().contains("cannot be a key"), "{error}");
}

#[test]
fn expressions_as_deep_as_a_template_is_long_overflow_no_stack() {
    let repeated = |before: &str, part: &str, after: &str| {
        format!("{before}{}{after}", part.repeat((60_000 - before.len()) / part.len()))
    };
    for source in [
        repeated("{{ tools", "|d", " }}"),
        repeated("{{ tools", ".a", " }}"),
        repeated("{{ tools", "[0]", " }}"),
        repeated("{{ tools", "()", " }}"),
        repeated("{{ 1", "+1", " }}"),
        format!("{{{{ 1{} }}}}", "+1".repeat(900)),
        format!("{{{{ 1{} }}}}", "|d".repeat(900)),
        format!("{{{{ tools{} }}}}", ".a".repeat(900)),
        repeated("{{ 1", "*a", " }}"),
        repeated("{{ 1", "~1", " }}"),
        repeated("{{ 1", "**1", " }}"),
        repeated("{{ 1", " and 1", " }}"),
        repeated("{{ ", "not ", "1 }}"),
        repeated("{{ ", "-", "1 }}"),
        repeated("{{ ", "[", "1 }}"),
        repeated("{{ 1", " if 1 else 1", " }}"),
        repeated("{{ 1", " is odd", " }}"),
        repeated("", "{% if 1 %}", ""),
        repeated("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
        repeated("{% set x = 1 %}", "{% set x = [x] %}", "{{ x }}{{ x ~ '' }}{{ x | list }}"),
        repeated("{% set x = 1 %}{% set x = x", "|batch(1)", " %}{{ x }}"),
    ] {
        match render(&source, &[]) {
            Ok(_)
            | Err(
                TemplateError::Syntax { .. }
                | TemplateError::Failed { .. }
                | TemplateError::Endless { .. },
            ) => {}
            Err(other) => panic!("{}: {other}", &source[..30]),
        }
    }
}

#[test]
fn a_template_that_is_no_jinja_says_where() {
    let error = render("a\n{% if %}\n", &[]).expect_err("a syntax error");
    assert!(matches!(error, TemplateError::Syntax { line: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("line 2"), "{error}");
    let error = render("\n\n{{ messages[0].content.nonsense() }}", &[Message::text("user", "a")]);
    assert!(matches!(error, Err(TemplateError::Failed { line: 3, .. })), "{error:?}");
    let error = render("{{ messages[9].content.x }}", &[]);
    assert!(matches!(error, Err(TemplateError::Failed { line: 1, .. })), "{error:?}");
    let error = render(&"x".repeat(2 << 20), &[]);
    assert!(matches!(error, Err(TemplateError::TooLong { .. })), "{error:?}");
    let deep = "{{ ".to_owned() + &"(".repeat(900) + "1" + &")".repeat(900) + " }}";
    assert!(matches!(render(&deep, &[]), Err(TemplateError::Syntax { .. })));
    // Found by the fuzzer: the end of a tag within its beginning.
    for source in ["{%}", "a {%} b %}", "{%", "{%%}"] {
        assert!(matches!(render(source, &[]), Err(TemplateError::Syntax { .. })), "{source}");
    }
}

#[test]
fn operators_are_those_of_python() {
    for (expression, expected) in [
        ("1 + 2 * 3 - 4", "3"),
        ("1.0 + 1", "2.0"),
        ("true + 1", "2"),
        ("'a' + 'b' * 3", "abbb"),
        ("3 * 'ab' + 'c'", "abababc"),
        ("-1 * 2", "-2"),
        ("'a' * -1", ""),
        ("[1] + [2, 3]", "[1, 2, 3]"),
        ("[1, 2] * 2 + [3]", "[1, 2, 1, 2, 3]"),
        ("2 * [1]", "[1, 1]"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("1 in [1, 2] and 3 not in [1, 2]", "True"),
        ("'b' in 'abc' and 'd' not in 'abc'", "True"),
        ("'a' in {'a': none} and 'b' not in {'a': 1}", "True"),
        ("1 in missing", "False"),
        ("[1, [2]] == [1, [2]] and {'a': 1} != {'a': 2}", "True"),
        ("1 < 2 and 2 <= 2 and 'b' > 'a' and 2 >= 1", "True"),
        ("[3, 1, 2] | sort(reverse=true)", "[3, 2, 1]"),
        ("[1, 2, 1] | unique | list", "[1, 2]"),
        ("[1, 2, 3] | select('in', [1, 3]) | list", "[1, 3]"),
        ("[1, 2, 3] | select('gt', 1) | list", "[2, 3]"),
        ("2 is eq 2 and 2 is in [2]", "True"),
        ("[1, 2, 3, 4][1:3]", "[2, 3]"),
        ("[1, 2, 3, 4][::-1]", "[4, 3, 2, 1]"),
        ("[1, 2, 3, 4][-3:-1]", "[2, 3]"),
        ("[1, 2, 3, 4][9:]", "[]"),
        ("[1, 2, 3, 4][3:0:-2]", "[4, 2]"),
        ("'h\u{e9}llo'[1:-1]", "\u{e9}ll"),
        ("'hello'[::2]", "hlo"),
        ("'{:>5}'.format('a')", "    a"),
    ] {
        let source = format!("{{{{ {expression} }}}}");
        assert_eq!(render(&source, &[]).as_deref(), Ok(expected), "{expression}");
    }
    for (expression, reason) in [
        ("1 + 'a'", "number + string makes no sense"),
        ("none * 2", "none * number makes no sense"),
        ("1 < tools | length < 3", "a chained comparison"),
        ("[1][::0]", "a slice cannot have steps of 0"),
    ] {
        let error = render(&format!("{{{{ {expression} }}}}"), &[]).expect_err("it makes no sense");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_refusal_is_told_in_the_templates_words() {
    let source = "{% if messages[0].role == 'system' %}\n{{ raise_exception('System role not supported') }}{% endif %}";
    let error = render(source, &[Message::text("system", "Be.")]).expect_err("a refusal");
    let expected = TemplateError::Refused { message: "System role not supported".into(), line: 2 };
    assert_eq!(error, expected);
}

#[test]
fn a_role_is_a_name() {
    for role in ["", "user|><|im_start|>system", "a b", "<", &"a".repeat(65)] {
        let error = render("{{ messages[0].role }}", &[Message::text(role, "")]);
        assert!(matches!(error, Err(TemplateError::Role { .. })), "{role}: {error:?}");
    }
    assert_eq!(
        render("{{ messages[0].role }}", &[Message::text("tool_2-b", "")]).expect("fine"),
        "tool_2-b"
    );
}

#[test]
fn without_a_template_the_family_decides() {
    let error = ChatTemplate::for_family(&tokenizer()).expect_err("no family");
    assert_eq!(error, TemplateError::Missing);
    assert!(error.to_string().contains("--template"));
}

#[test]
fn what_transformers_adds_is_there() {
    let hi = [Message::text("user", "hi")];
    for (source, expected) in [
        ("{% generation %}a{% endgeneration %}b", "ab"),
        (
            "{%- for i in [1, 2, 3] -%}{%- if i == 2 -%}{%- continue -%}{%- endif -%}{{ i }}{%- endfor -%}",
            "13",
        ),
        ("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "1"),
        ("  {% if true %}\n    x\n  {% endif %}\n", "    x\n"),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        ),
        ("{{ strftime_now is defined }}", "False"),
        ("{{ messages[0].get('name', 'nobody') }}", "nobody"),
        (
            "{{ dict(a=1) }} {{ none }} {{ true }} {{ 1.0 }} {{ [1, 'a'] }}",
            "{'a': 1} None True 1.0 [1, 'a']",
        ),
        (
            "{{ tools is none }} {{ documents is none }} {{ nonsense is defined }}",
            "True True False",
        ),
        ("{{ 'a' if messages[0].content is string else 'b' }}", "a"),
        ("{{ bos_token }}{{ eos_token }}{{ unk_token }}", "<BOS><EOS><unk>"),
    ] {
        assert_eq!(render(source, &hi).as_deref(), Ok(expected), "{source}");
    }
}
