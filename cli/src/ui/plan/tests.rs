//! Golden plans: at 80 and 120 columns, without a width, with colors, and in every layout.

use super::*;
use crate::ui::fixtures::{clustered, fleet, hostile, named, plan, settled};
use crate::ui::golden::{self, check};
use crate::ui::text::is_hostile;

fn view(width: Width) -> PlanView {
    PlanView {
        width,
        diff: DiffArg::Full,
        grouping: Grouping::Folded,
        unchanged: Unchanged::Hidden,
    }
}

fn rendered(plan: &Plan, view: PlanView) -> String {
    golden::plain(&render(plan, &view))
}

#[test]
fn a_fleet_is_folded() {
    check("plan.80.txt", &rendered(&fleet(), view(Some(80))));
    check("plan.120.txt", &rendered(&fleet(), view(Some(120))));
    check("plan.pipe.txt", &rendered(&fleet(), view(None)));
}

#[test]
fn hosts_that_differ_by_their_name_are_folded() {
    check("plan.named.txt", &rendered(&named(), view(Some(100))));
    let by_host = PlanView {
        grouping: Grouping::ByHost,
        ..view(None)
    };
    let text = rendered(&named(), by_host);
    assert!(!text.contains("${host.name}"), "{text}");
    let mut alone = named();
    alone.hosts.truncate(1);
    let text = rendered(&alone, view(None));
    assert!(!text.contains("${host.name}"), "{text}");
}

#[test]
fn what_is_done_to_clusters_is_shown_once() {
    let mut plan = clustered();
    let text = rendered(&plan, view(Some(100)));
    assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)));
    plan.clusters.pop();
    let summary = PlanSummary::of(&plan);
    // The node of the cluster that cannot be edited is left out.
    assert_eq!((summary.hosts, summary.appliable_hosts), (3, 2));
    assert_eq!((summary.cluster_edits, summary.unasked_clusters), (2, 1));
    check("plan.cluster.txt", &rendered(&plan, view(Some(100))));
    let by_host = PlanView {
        grouping: Grouping::ByHost,
        diff: DiffArg::None,
        ..view(None)
    };
    let text = rendered(&plan, by_host);
    assert_eq!(text.matches("@ set cgroupDriver").count(), 2, "{text}");
    assert!(!text.contains("# why"), "{text}");
}

#[test]
fn colors_are_styles_and_nothing_else() {
    let text = render(&fleet(), &view(Some(80)));
    check("plan.color.txt", &text.replace('\x1b', "^"));
}

#[test]
fn flags_change_the_layout() {
    let by_host = PlanView {
        grouping: Grouping::ByHost,
        diff: DiffArg::None,
        ..view(Some(100))
    };
    let mut few = fleet();
    few.hosts.drain(2..17);
    check("plan.by-host.txt", &rendered(&few, by_host));
    let unchanged = PlanView {
        unchanged: Unchanged::Shown,
        diff: DiffArg::Summary,
        ..view(Some(100))
    };
    check("plan.unchanged.txt", &rendered(&few, unchanged));
}

#[test]
fn nothing_to_do_is_a_result_of_its_own() {
    assert_eq!(
        rendered(&settled(), view(None)),
        "No changes. 3 hosts are as the spec says.\n"
    );
    let away = plan(
        settled().hosts,
        &[("node04", "no route"), ("node05", "no route")],
    );
    let expected =
        "node[04-05]  UNREACHABLE  no route\n\nNo changes on 3 hosts; 2 hosts unreachable.\n";
    assert_eq!(rendered(&away, view(None)), expected);
    assert_eq!(
        rendered(&plan(Vec::new(), &[]), view(None)),
        "No changes. There are no hosts to plan.\n"
    );
    let none = plan(Vec::new(), &[("node04", "no route")]);
    assert!(rendered(&none, view(None)).ends_with("\nNothing was planned; 1 host unreachable.\n"));
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let plan = plan(vec![hostile()], &[("node24", crate::ui::fixtures::HOSTILE)]);
    for width in [None, Some(80)] {
        let text = render(&plan, &view(width));
        let without_styles = golden::plain(&text);
        assert!(
            !without_styles.chars().any(|c| c != '\n' && is_hostile(c)),
            "{without_styles}"
        );
        let sequences = text.split('\x1b').skip(1);
        for sequence in sequences {
            let parameters = sequence
                .strip_prefix('[')
                .and_then(|rest| rest.split_once('m'));
            let style = parameters
                .is_some_and(|(style, _)| style.chars().all(|c| c.is_ascii_digit() || c == ';'));
            assert!(style, "{sequence:?}");
        }
    }
}

#[test]
fn lines_start_with_our_own_words() {
    let plan = plan(vec![hostile()], &[("node24", crate::ui::fixtures::HOSTILE)]);
    for width in [None, Some(40)] {
        for line in rendered(&plan, view(width))
            .lines()
            .filter(|line| !line.is_empty())
        {
            let ours = ["  ", "node2", "Plan:"]
                .iter()
                .any(|start| line.starts_with(start));
            assert!(ours, "{line}");
        }
    }
}

#[test]
fn where_a_plan_was_saved_is_said() {
    let digest = Digest::of(b"");
    let text = golden::plain(&saved("plan.json", &digest, true));
    assert_eq!(
        text,
        format!("Saved to plan.json (sha256 {digest}). Apply with:  hardstand apply plan.json\n")
    );
    let text = golden::plain(&saved("plan.json", &digest, false));
    assert_eq!(text, format!("Saved to plan.json (sha256 {digest}).\n"));
}

#[test]
fn many_hosts_fold_into_one_group() {
    let mut large = fleet();
    let template = large.hosts[0].clone();
    large.hosts = (0..20_000)
        .map(|n| engine::plan::HostPlan {
            host: format!("n{n:05}").parse().unwrap(),
            ..template.clone()
        })
        .collect();
    let text = rendered(&large, view(Some(80)));
    assert!(
        text.contains("n[00000-19999]  20000 hosts, same plan"),
        "{}",
        &text[..400]
    );
}
