//! Every key, and the picture at several widths.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::rows::{Note, rows};
use super::super::sample;
use super::*;

fn board() -> Board {
    let mut board = Board::new("here");
    board.refresh(rows(&sample::tree()));
    board
}

fn picture(board: &Board) -> String {
    picture_in(board, 100)
}

fn picture_in(board: &Board, columns: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, 14)).unwrap();
    terminal.draw(|frame| board.draw(frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_tree_is_on_the_screen() {
    let picture = picture(&board());
    for word in ["synod here", "4 actors", "│  └─ echo", "it fell", "·▁···", "s stop"] {
        assert!(picture.contains(word), "{word:?} is not in\n{picture}");
    }
}

#[test]
fn a_narrow_screen_keeps_the_names_and_drops_what_can_be_spared() {
    let mut board = board();
    board.rows[2].name = "a-long-name-of-an-agent".to_owned();
    let narrow = picture_in(&board, 80);
    assert!(narrow.contains("a-long-name-of-an-agent"), "{narrow}");
    assert!(narrow.contains("LANES") && !narrow.contains("HANDLED"), "{narrow}");
    assert!(narrow.contains("handled "), "what has no column is told of the selected: {narrow}");
    let tiny = picture_in(&board, 40);
    assert!(tiny.contains("a-long-name-of-an-agent"), "{tiny}");
    assert!(tiny.contains("STATE") && !tiny.contains("LANES"), "{tiny}");
    assert!(tiny.contains("restarts 0") && tiny.contains("busy"), "{tiny}");
    assert!(tiny.contains("q or Esc") && tiny.contains("leave"), "{tiny}");
}

#[test]
fn a_note_that_does_not_fit_is_below_its_row() {
    let mut board = board();
    board.rows[2].note = Note::Error("the disk is full ".repeat(5).trim().to_owned());
    let narrow = picture_in(&board, 60);
    let below = narrow.lines().find(|line| line.contains("the disk is full")).unwrap();
    assert!(!below.contains("echo"), "{narrow}");
    let whole = picture_in(&board, 200);
    let row = whole.lines().find(|line| line.contains("the disk is full")).unwrap();
    assert!(row.contains("echo"), "{whole}");
}

#[test]
fn a_long_path_is_cut_at_its_beginning_and_the_question_is_whole() {
    let asked = question("/node/agents/an-agent-with-quite-a-long-name", 40);
    assert_eq!(asked, "stop …gent-with-quite-a-long-name? y stops it".replace("gent-", ""));
}

#[test]
fn the_bars_have_a_legend() {
    assert!(picture(&board()).contains("LANES: queued from critical to background"));
}

#[test]
fn a_control_is_for_the_selected_actor() {
    let mut board = board();
    assert_eq!(board.key(KeyCode::Down), Wish::Look);
    let wish = Wish::Control(Control::Pause, "/agents".to_owned());
    assert_eq!(board.key(KeyCode::Char('p')), wish);
    board.key(KeyCode::End);
    let wish = Wish::Control(Control::Restart, "/tasks".to_owned());
    assert_eq!(board.key(KeyCode::Char('R')), wish);
    assert_eq!(board.key(KeyCode::Char('q')), Wish::Quit);
}

#[test]
fn an_actor_is_stopped_only_when_that_is_confirmed() {
    let mut board = board();
    board.key(KeyCode::End);
    assert_eq!(board.key(KeyCode::Char('s')), Wish::Look);
    assert!(picture(&board).contains("stop /tasks? y stops it"));
    assert_eq!(board.key(KeyCode::Char('n')), Wish::Look, "anything else calls it off");
    assert_eq!(board.key(KeyCode::Char('y')), Wish::Look, "and it stays called off");
    board.key(KeyCode::Char('s'));
    let wish = Wish::Control(Control::Stop, "/tasks".to_owned());
    assert_eq!(board.key(KeyCode::Char('y')), wish);
}

#[test]
fn the_selection_stays_with_its_actor() {
    let mut board = board();
    board.key(KeyCode::End);
    let mut tree = sample::tree();
    tree.children.swap(0, 1);
    board.refresh(rows(&tree));
    assert_eq!(board.selected.as_deref(), Some("/tasks"));
    tree.children.clear();
    board.refresh(rows(&tree));
    assert_eq!(board.selected.as_deref(), Some("/"), "gone: back to the root");
}

#[test]
fn an_empty_tree_is_no_reason_to_fall() {
    let mut board = Board::new("here");
    for key in [KeyCode::Down, KeyCode::Char('p'), KeyCode::Char('s'), KeyCode::End] {
        assert_eq!(board.key(key), Wish::Look);
    }
    picture(&board);
}
