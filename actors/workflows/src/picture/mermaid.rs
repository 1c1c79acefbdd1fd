//! Flowcharts of Mermaid.

use super::graph::{DrawnPlan, DrawnStep, Picture};
use super::palette;
use super::text::plain;

/// Writes a picture as it may stand in a Markdown file.
pub(super) fn write(picture: &Picture) -> String {
    let mut chart = format!("---\ntitle: \"{}\"\n---\nflowchart LR\n", yaml(&picture.title));
    for (at, plan) in picture.plans.iter().enumerate() {
        if !plan.name.is_empty() {
            chart += &format!("  subgraph g{at}[\"{}\"]\n", escaped(&plan.name));
        }
        boxes(&mut chart, at, plan);
        if !plan.name.is_empty() {
            chart += "  end\n";
        }
    }
    let shown = |state| picture.plans.iter().any(|plan| has(plan, state));
    for state in palette::STATES.into_iter().filter(|state| shown(*state)) {
        let (name, colours) = (palette::name(state), palette::of(state));
        let (fill, stroke, ink) = (colours.fill, colours.stroke, palette::INK);
        chart += &format!("  classDef {name} fill:{fill},stroke:{stroke},color:{ink}\n");
    }
    chart
}

fn has(plan: &DrawnPlan, state: crate::messages::StepState) -> bool {
    plan.boxes.iter().any(|step| step.state == Some(state))
}

fn boxes(chart: &mut String, at: usize, plan: &DrawnPlan) {
    for (number, step) in plan.boxes.iter().enumerate() {
        let class = step.state.map_or_else(String::new, |s| format!(":::{}", palette::name(s)));
        *chart += &format!("  p{at}_{number}[\"{}\"]{class}\n", label(step));
    }
    for arrow in &plan.arrows {
        let line = match &arrow.on {
            Some(on) => format!("-. \"{}\" .->", escaped(on)),
            None => "-->".to_owned(),
        };
        *chart += &format!("  p{at}_{} {line} p{at}_{}\n", arrow.from, arrow.to);
    }
}

fn label(step: &DrawnStep) -> String {
    let lines: Vec<_> = step.lines().into_iter().map(escaped).collect();
    lines.join("<br/>")
}

/// A text between quotes: every character that means something to Mermaid, to Markdown or to HTML
/// is written as its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        let harmless = c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '/' | '=' | '_' | '-');
        if harmless {
            escaped.push(c);
        } else {
            escaped += &format!("#{};", c as u32);
        }
    }
    escaped
}

/// A text between the quotes of YAML.
fn yaml(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}
