//! Templates that grow end within bounded memory. A test of its own, because the memory of the whole
//! process is measured.

use mynah_model::checkpoint::{Metadata, Value};
use mynah_model::template::{ChatInput, ChatTemplate, TemplateError};
use mynah_model::tokenizer::Tokenizer;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What any template may take while it is rendered.
const MOST_MEMORY: usize = 100 << 20;

fn render(source: &str) -> Result<String, TemplateError> {
    let metadata = Metadata::from([
        ("tokenizer.ggml.model", Value::String("llama".into())),
        ("tokenizer.ggml.tokens", Value::Strings(["<unk>", "<s>", "</s>"].into_iter().collect())),
        ("tokenizer.ggml.token_type", Value::I32s(vec![2, 3, 3])),
    ]);
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
    let rendered = ChatTemplate::new(source, &tokenizer)?.render(&ChatInput::default())?;
    Ok(rendered.text().to_owned())
}

/// Templates that grow: each takes all memory or all time, or overflows the stack, where nothing
/// stops it. They go wrong in line 2.
const GROWING: [&str; 36] = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
    "{% for a in 'x' * 99999999 %}{{ a }}{% endfor %}",
    "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x.replace('a', 'aaaaaaaa') %}{% endfor %}",
    "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x | replace('a', 'aaaaaaaa') %}{% endfor %}",
    "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = [n.x, n.x] | tojson %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    // Lists that double.
    "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=(1,)) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x * 2 %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = (n.x | list) + n.x[0:] %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x | chain(n.x) %}{% endfor %}",
    // Lists that are long at once.
    "{{ ([1] * 10**9) | length }}",
    "{% set a, b = [1] * 100000000 %}",
    "{% set a, b = (1,) * 100000000 %}",
    "{{ 100000000 * ([1] + [2]) }}",
    "{{ [1] * 100000000 == [1] * 100000000 }}",
    // Text that is long at once.
    "{{ 'x' * 10**9 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '%.1000000000f' | format(1.5) }}",
    "{{ ('ab\\n' * 1000) | indent(1000000) }}",
    "{{ ('b' * 1000000).join(range(100000)) }}",
    "{{ range(100000) | join('b' * 1000000) }}",
    "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
    "{{ [1, 2, 3] | tojson(indent=4, separators=('b' * 1000000, 'c')) * 1000 }}",
    // Lists in lists, whose pairs are too many to compare.
    "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
    "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x in [n.y] }}",
    "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ [n.x, n.y] | unique }}",
    "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ [n.x] | select('eq', n.y) | list }}",
    // A value that holds itself.
    "{% set n = namespace() %}{% set n.x = n %}{{ n }}",
    "{% set n = namespace() %}{% set n.x = n %}{{ n | tojson }}",
    // Filters that double.
    "{% set n = namespace(x=[none] * 1000) %}{% for i in range(9) %}{% set n.x = n.x | map('default', n.x, true) | list %}{% endfor %}{{ n.x ~ '' }}",
    "{% set n = namespace(x={'a': 1}) %}{% for i in range(60) %}{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}{{ n.x | string }}",
];

/// What may be done with lists in lists, of which writing one takes all memory.
const LOOKS: [&str; 11] = [
    "a",
    "a ~ ''",
    "a | string",
    "[a] | join",
    "''.join([a])",
    "a | tojson",
    "a | upper",
    "a | replace('1', '2')",
    "{a: 1}",
    "{'b': 1}[a]",
    "'%s' | format(a)",
];

/// Renders a template that goes wrong in line 2.
fn check(source: &str) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    match render(source) {
        Err(TemplateError::Endless { line } | TemplateError::Failed { line, .. }) => {
            assert_eq!(line, 2, "{source}");
        }
        other => panic!("{source}: {:?}", other.map(|text| text.len())),
    }
    let most = MEMORY.peak_usage() - before;
    assert!(most < MOST_MEMORY, "{source}: {most} bytes");
}

#[test]
fn a_template_that_does_not_end_is_stopped_at_its_line() {
    for source in GROWING {
        check(&format!("\n{source}"));
    }
    for look in LOOKS {
        let doubled = "{% set a = [a, a] %}".repeat(60);
        check(&format!("\n{{% set a = [1] %}}{doubled}{{{{ {look} }}}}"));
    }
}
