use super::*;
use crate::config::Settings;
use crate::rules::Given;
use crate::trainer::StepReport;

fn events() -> Vec<Event> {
    let step = |step: u64| Event::Step {
        report: StepReport {
            step,
            loss: 5.0 / step as f64,
            bits_per_byte: 3.0 / step as f64,
            gradient: 1.0,
            rate: 1.0,
            skipped: false,
        },
        seconds: step as f64,
    };
    let evaluation = Evaluation { loss: 2.0, bits_per_byte: 1.5, tokens: 1000 };
    vec![
        step(1),
        step(2),
        Event::Sample { step: 1, prompt: "Old".into(), text: " text".into() },
        Event::Evaluated { step: 2, evaluation },
        Event::Sample { step: 2, prompt: "The <b>".into(), text: " **whale**\nsank".into() },
    ]
}

fn with_about(check: impl FnOnce(&About)) {
    let given = Given { vocabulary: 2048, steps: 2, tokens: 100_000, depth: Some(2) };
    let config = Settings::default().resolve(&given).unwrap();
    let evaluation = Evaluation { loss: 2.0, bits_per_byte: 1.5, tokens: 1000 };
    let origins = [Origin {
        name: "a|b".into(),
        licence: Some("CC-BY-SA-4.0".into()),
        documents: 12,
        bytes: 1_234_567,
    }];
    check(&About {
        name: "my model",
        config: &config,
        origins: &origins,
        data: "abc",
        tokens: 100_000,
        evaluations: &[(1, evaluation)],
        seconds: 75.0,
        machine: "2 threads, avx2",
        peak: Some(1e11),
        price_per_hour: Some(0.5),
        command: "mynah train",
        check: None,
    });
}

#[test]
fn a_report_says_what_it_was_made_of() {
    with_about(|about| {
        let text = markdown(about, &events());
        for part in [
            "# my model\n",
            "- held-out text, bits per byte: 1.5000 (one seed: no interval)\n",
            "- read: 16,384 tokens in 2 steps: 0.16 times the 100,000 there are\n",
            "- time: 1 min 15 s on 2 threads, avx2\n",
            "- cost: 0.0104 at 0.5 an hour\n",
            "| a\\|b | CC-BY-SA-4.0 | 12 | 1,234,567 |\n",
            "> **The \\<b>** \\*\\*whale\\*\\*\n> sank\n",
            "mynah train\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("Old"), "only the last samples: {text}");
        assert!(card(about, &events()).contains("license: cc-by-sa-4.0\n"));
    });
}

#[test]
fn a_page_shows_the_curve_and_escapes_what_a_model_wrote() {
    with_about(|about| {
        let page = html(about, &events());
        assert!(page.contains("<blockquote><b>The &lt;b&gt;</b> **whale**\nsank</blockquote>"));
        assert_eq!(page.matches("<polyline").count(), 2);
        assert!(!page.contains("NaN") && !page.contains("<script"));
    });
}

#[test]
fn several_seeds_give_an_interval() {
    assert_eq!(interval(&[2.0]), (2.0, None));
    let (mean, half) = interval(&[1.0, 2.0, 3.0]);
    // 4.303 / sqrt(3), by Student's t with two degrees of freedom.
    assert!((mean - 2.0).abs() < 1e-12 && (half.unwrap() - 2.4843).abs() < 1e-3, "{half:?}");
}
