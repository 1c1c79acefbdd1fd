//! The language of Graphviz.

use super::graph::{DrawnPlan, DrawnStep, Picture};
use super::palette;
use super::text::plain;

/// Writes a picture; `dot -Tsvg` draws it.
pub(super) fn write(picture: &Picture) -> String {
    let mut dot = format!("digraph {} {{\n", quoted(&picture.title));
    dot +=
        "  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n";
    dot += "  edge [color=\"#57606a\", fontname=\"sans-serif\", fontsize=10];\n";
    dot += &format!("  label={};\n", quoted(&picture.title));
    for (at, plan) in picture.plans.iter().enumerate() {
        let inside = if plan.name.is_empty() { "  " } else { "    " };
        if !plan.name.is_empty() {
            dot += &format!("  subgraph cluster_{at} {{\n    label={};\n", quoted(&plan.name));
        }
        boxes(&mut dot, at, plan, inside);
        if !plan.name.is_empty() {
            dot += "  }\n";
        }
    }
    dot.push_str("}\n");
    dot
}

fn boxes(dot: &mut String, at: usize, plan: &DrawnPlan, inside: &str) {
    for (number, step) in plan.boxes.iter().enumerate() {
        let colours = step.state.map_or(palette::DEFINED, palette::of);
        let (fill, stroke) = (colours.fill, colours.stroke);
        let label = label(step);
        *dot += &format!(
            "{inside}p{at}_{number} [label={label}, fillcolor=\"{fill}\", color=\"{stroke}\"];\n"
        );
    }
    for arrow in &plan.arrows {
        let how = match &arrow.on {
            Some(on) => format!(" [style=dashed, constraint=false, label={}]", quoted(on)),
            None => String::new(),
        };
        *dot += &format!("{inside}p{at}_{} -> p{at}_{}{how};\n", arrow.from, arrow.to);
    }
}

fn label(step: &DrawnStep) -> String {
    let lines: Vec<_> = step.lines().into_iter().map(escaped).collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// A quoted string. Backslashes begin escapes of labels (`\N` is the node's name), so they are
/// doubled.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}
