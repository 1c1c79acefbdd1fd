//! SVG 1.1 of a picture: boxes in layers with curved arrows between them.
//!
//! Layers go to the right where the graph is broad and downwards where it is long, so that the
//! longer side is the one to scroll. Only presentation attributes, no styles or scripts: it shows
//! under any content security policy.

use super::graph::{DrawnPlan, DrawnStep, Picture};
use super::layout::{Layout, Spot, layout};
use super::palette::{self, FAINT, INK};
use super::text::{cut, xml};

const BOX: (f64, f64) = (196.0, 58.0);
/// Between boxes of a layer, and between layers.
const GAP: f64 = 20.0;
const LAYER_GAP: f64 = 62.0;
const MARGIN: f64 = 24.0;
const HEADING: f64 = 34.0;
/// Columns of text that a box takes.
const COLUMNS: usize = 26;

/// Writes a picture.
pub(super) fn draw(picture: &Picture) -> String {
    let mut body = String::new();
    let title = cut(&picture.title, 90);
    body += &text((MARGIN, MARGIN + 6.0), 16, INK, " font-weight=\"bold\"", &title);
    let (mut y, mut width) = (MARGIN + HEADING, MARGIN + title.chars().count() as f64 * 9.0);
    for plan in &picture.plans {
        if !plan.name.is_empty() {
            body += &text((MARGIN, y + 14.0), 14, FAINT, "", &plan.name);
            y += HEADING;
        }
        let placed = Placed::new(plan, (MARGIN, y));
        placed.draw(plan, &mut body);
        let (right, bottom) = placed.far_corner();
        width = width.max(right);
        y = bottom + MARGIN;
    }
    document(width + MARGIN, y, &picture.title, &body)
}

/// The frame of a document of this size.
pub(super) fn document(width: f64, height: f64, title: &str, body: &str) -> String {
    let (width, height) = (width.ceil(), height.ceil());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" role=\"img\">\n\
         <title>{}</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\" \
         fill=\"{FAINT}\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n",
        xml(title)
    )
}

/// A line of text; `more` are attributes of our own.
pub(super) fn text(at: (f64, f64), size: u32, fill: &str, more: &str, text: &str) -> String {
    let (x, y) = at;
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{fill}\"{more}>{}</text>\n",
        xml(text)
    )
}

/// A plan with its places on the page.
struct Placed {
    layout: Layout,
    down: bool,
    origin: (f64, f64),
}

impl Placed {
    fn new(plan: &DrawnPlan, origin: (f64, f64)) -> Self {
        let layout = layout(plan.boxes.len(), &plan.edges());
        let down = layout.layers as f64 > layout.breadth;
        Self { layout, down, origin }
    }

    /// The left upper corner of the box at a spot.
    fn corner(&self, spot: Spot) -> (f64, f64) {
        let (x, y) = self.origin;
        let (layer, along) = (spot.layer as f64, spot.along);
        if self.down {
            (x + along * (BOX.0 + GAP), y + layer * (BOX.1 + LAYER_GAP))
        } else {
            (x + layer * (BOX.0 + LAYER_GAP), y + along * (BOX.1 + GAP))
        }
    }

    fn far_corner(&self) -> (f64, f64) {
        let last = Spot {
            layer: self.layout.layers.saturating_sub(1),
            along: (self.layout.breadth - 1.0).max(0.0),
        };
        let (x, y) = self.corner(last);
        (x + BOX.0, y + BOX.1)
    }

    /// Where arrows leave a place (`after`) or come to it.
    fn port(&self, spot: Spot, after: bool) -> (f64, f64) {
        let (x, y) = self.corner(spot);
        let far = if after { 1.0 } else { 0.0 };
        if self.down {
            (x + BOX.0 / 2.0, y + BOX.1 * far)
        } else {
            (x + BOX.0 * far, y + BOX.1 / 2.0)
        }
    }

    fn draw(&self, plan: &DrawnPlan, body: &mut String) {
        let plain = plan.arrows.iter().filter(|arrow| arrow.on.is_none());
        for (_, route) in plain.zip(&self.layout.routes) {
            let path = self.route(route);
            *body += &format!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{FAINT}\" stroke-width=\"1.2\" \
                 marker-end=\"url(#tip)\"/>\n"
            );
        }
        for arrow in &plan.arrows {
            if let Some(on) = &arrow.on {
                *body += &self.jump(self.layout.nodes[arrow.from], self.layout.nodes[arrow.to], on);
            }
        }
        for (step, spot) in plan.boxes.iter().zip(&self.layout.nodes) {
            *body += &boxed(step, self.corner(*spot));
        }
    }

    /// A smooth line through the places of a route.
    fn route(&self, route: &[Spot]) -> String {
        let mut path = String::new();
        for (at, spot) in route.iter().enumerate() {
            let (enter, leave) = (self.port(*spot, false), self.port(*spot, true));
            if at == 0 {
                path += &point("M", leave);
                continue;
            }
            let from = self.port(route[at - 1], true);
            path += &self.curve(from, enter);
            if at + 1 < route.len() {
                path += &point("L", leave);
            }
        }
        path
    }

    fn curve(&self, from: (f64, f64), to: (f64, f64)) -> String {
        let (bend_from, bend_to) = if self.down {
            let middle = f64::midpoint(from.1, to.1);
            ((from.0, middle), (to.0, middle))
        } else {
            let middle = f64::midpoint(from.0, to.0);
            ((middle, from.1), (middle, to.1))
        };
        format!("{}{}{}", point("C", bend_from), point(" ", bend_to), point(" ", to))
    }

    /// A dashed line from the side of one box to that of another.
    fn jump(&self, from: Spot, to: Spot, on: &str) -> String {
        let side = |spot: Spot| {
            let (x, y) = self.corner(spot);
            if self.down { (x + BOX.0, y + BOX.1 / 2.0) } else { (x + BOX.0 / 2.0, y + BOX.1) }
        };
        let (from, to) = (side(from), side(to));
        let away = |(x, y): (f64, f64)| {
            if self.down { (x + LAYER_GAP, y) } else { (x, y + LAYER_GAP) }
        };
        let path = [point("M", from), point("C", away(from)), point(" ", away(to)), point(" ", to)];
        let path = path.concat();
        let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        let label = text(away(middle), 10, FAINT, " text-anchor=\"middle\"", on);
        format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{FAINT}\" stroke-dasharray=\"5 4\" \
             marker-end=\"url(#tip)\"/>\n{label}"
        )
    }
}

fn point(command: &str, (x, y): (f64, f64)) -> String {
    format!("{command}{x:.1} {y:.1}")
}

fn boxed(step: &DrawnStep, (x, y): (f64, f64)) -> String {
    let colours = step.state.map_or(palette::DEFINED, palette::of);
    let (width, height) = BOX;
    let mut drawn = format!(
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width}\" \
         height=\"{height}\" rx=\"8\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.4\"/>\n",
        xml(&step.lines().join(" · ")),
        colours.fill,
        colours.stroke
    );
    let state = step.state.map(palette::name).unwrap_or_default();
    let parts = [state, &step.note].into_iter().filter(|part| !part.is_empty());
    let last = parts.collect::<Vec<_>>().join(" · ");
    let lines = [(20.0, 13, INK, step.id.as_str()), (36.0, 11, FAINT, &step.what)];
    for (down, size, fill, line) in lines.into_iter().chain([(51.0, 11, FAINT, last.as_str())]) {
        let bold = if size == 13 { " font-weight=\"bold\"" } else { "" };
        let columns = if size == 13 { COLUMNS - 2 } else { COLUMNS + 4 };
        drawn += &text((x + 10.0, y + down), size, fill, bold, &cut(line, columns));
    }
    drawn + "</g>\n"
}
