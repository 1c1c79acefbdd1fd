//! Cases from the literature, each named by where it is from.

use super::*;

/// The four cities of Tennessee: memphis, nashville, chattanooga, knoxville (the example by which
/// encyclopaedias compare voting rules).
const TENNESSEE: &str = "42 abcd, 26 bcda, 15 cdba, 17 dcba";

#[test]
fn schulze_2011_example_1_has_the_published_paths_and_d_wins() {
    let count = schulze(&ballots(4, "8 acdb, 2 badc, 4 cdba, 4 dbac, 3 dcba"));
    assert_eq!(
        count.prefers,
        [
            [0.0, 8.0, 14.0, 10.0],
            [13.0, 0.0, 6.0, 2.0],
            [7.0, 15.0, 0.0, 12.0],
            [11.0, 19.0, 9.0, 0.0]
        ]
    );
    assert_eq!(
        count.strongest,
        [
            [0.0, 14.0, 14.0, 12.0],
            [13.0, 0.0, 13.0, 12.0],
            [13.0, 15.0, 0.0, 12.0],
            [13.0, 19.0, 13.0, 0.0]
        ]
    );
    assert_eq!(letters(&count), "d");
}

#[test]
fn schulze_with_45_voters_has_the_published_paths_and_e_wins() {
    let text = "5 acbed, 5 adecb, 8 bedac, 3 cabed, 7 caebd, 2 cbade, 7 dcebA, 8 ebadc";
    let count = schulze(&ballots(5, &text.to_lowercase()));
    assert_eq!(
        count.strongest,
        [
            [0.0, 28.0, 28.0, 30.0, 24.0],
            [25.0, 0.0, 28.0, 33.0, 24.0],
            [25.0, 29.0, 0.0, 29.0, 24.0],
            [25.0, 28.0, 28.0, 0.0, 24.0],
            [25.0, 28.0, 28.0, 31.0, 0.0],
        ]
    );
    assert_eq!(letters(&count), "e");
    // The published order is e, a, c, b, d.
    assert_eq!(count.tally, [3.0, 1.0, 2.0, 0.0, 4.0]);
}

/// The further examples of Schulze's paper (Social Choice and Welfare 36, 2011, and its later
/// drafts), with the winners that it gives for winning votes.
#[test]
fn schulze_s_further_examples_have_the_published_winners() {
    let cases = [
        ("3 abcd, 2 cbda, 2 dabc, 2 dbca", 4, "bd"),
        ("12 abcd, 6 adbc, 9 bcda, 15 cdab, 21 dbac", 4, "d"),
        ("6 acdb, 1 badc, 3 cbda, 3 dbac, 2 dcba", 4, "ad"),
        ("3 abdc, 5 adbc, 1 adcb, 2 badc, 2 bdca, 4 cabd, 6 cbad, 2 dbca, 5 dcab", 4, "a"),
        // The same with a fifth option that d beats on every ballot: not independent of it.
        ("3 abdec, 5 adebc, 1 adecb, 2 badec, 2 bdeca, 4 cabde, 6 cbade, 2 dbeca, 5 decab", 5, "b"),
        ("9 adbec, 6 bcade, 5 bcdea, 2 cdbea, 6 decba, 14 eacbd, 2 ecabd, 1 edacb", 5, "b"),
        ("9 adbec, 1 baced, 6 cbade, 2 cdbea, 5 cdeab, 6 decab, 14 ebacd, 2 ebcad", 5, "e"),
        // With ties and options left out; by margins a would win, by ratios b.
        (
            "6 abcd, 8 a=b, 8 a=c, 18 a=cd, 8 a=c=d, 40 b, 4 cbda, 9 cdab, 8 c=d, 14 dabc, \
             11 dbca, 4 dcab",
            4,
            "d",
        ),
    ];
    for (text, options, winners) in cases {
        assert_eq!(letters(&schulze(&ballots(options, text))), winners, "{text}");
    }
}

#[test]
fn schulze_s_no_show_example_changes_hands_when_two_more_vote() {
    let text = "3 adebcf, 3 bfecda, 4 cabfde, 1 dbcefa, 4 defabc, 2 ecbdfa, 2 facdbe";
    assert_eq!(letters(&schulze(&ballots(6, text))), "a");
    let with_two_more = format!("{text}, 2 aefcbd");
    assert_eq!(letters(&schulze(&ballots(6, &with_two_more))), "d");
}

/// LeGrand's election of 921 voters for comparing rules ("Descriptions of ranked-ballot voting
/// methods"): the same ballots, another winner by Tideman's rule than by Schulze's.
#[test]
fn legrand_s_election_tells_tideman_from_schulze() {
    let text = "98 acedb, 64 baecd, 12 baedc, 98 beacd, 13 beadc, 125 bedac, 124 caedb, \
                76 ceadb, 21 dabec, 30 dbaec, 98 dbeca, 139 dcabe, 23 dcbae";
    let profile = ballots(5, text);
    assert_eq!(letters(&ranked_pairs(&profile)), "b");
    assert_eq!(letters(&schulze(&profile)), "a");
}

/// A criticism of Tideman 1987 on the election-methods list (June 1998): by voting for b, six
/// voters make a win, whom they like least.
#[test]
fn tideman_s_ranked_pairs_fails_participation_as_published() {
    let text = "37 cabd, 20 bdac, 18 adcb, 15 bdca, 7 dacb, 3 cbad";
    assert_eq!(letters(&ranked_pairs(&ballots(4, text))), "c");
    let with_six_more = format!("{text}, 6 bdca");
    assert_eq!(letters(&ranked_pairs(&ballots(4, &with_six_more))), "a");
}

/// The pairs of Tideman's rule for the cities of Tennessee, in their order.
#[test]
fn tideman_s_ranked_pairs_locks_in_by_margin() {
    let count = ranked_pairs(&ballots(4, TENNESSEE));
    assert_eq!(letters(&count), "b");
    let margins: Vec<f64> = count.pairs.iter().map(|pair| pair.margin).collect();
    assert_eq!(margins, [66.0, 36.0, 36.0, 16.0, 16.0, 16.0]);
    assert_eq!((count.pairs[0].over, count.pairs[0].under), (2, 3));
    assert!(count.pairs.iter().all(|pair| pair.locked));
}

/// Tideman 1987: copies of an option neither help nor harm it, as they do under plurality.
#[test]
fn tideman_s_clones_change_nothing_in_ranked_pairs_and_split_a_plurality() {
    let alone = ballots(2, "60 ab, 40 ba");
    let cloned = ballots(3, "31 acb, 29 cab, 40 bca");
    assert_eq!(letters(&plurality(&first_choices(&alone), None)), "a");
    assert_eq!(letters(&plurality(&first_choices(&cloned), None)), "b");
    assert!(["a", "c"].contains(&letters(&ranked_pairs(&cloned)).as_str()));
    assert!(["a", "c"].contains(&letters(&schulze(&cloned)).as_str()));
}

/// Condorcet 1785: majorities can go round in a circle.
#[test]
fn condorcet_s_paradox_is_a_tie_of_all() {
    let paradox = ballots(3, "1 abc, 1 bca, 1 cab");
    for rule in [copeland, schulze, ranked_pairs, borda, irv] {
        assert_eq!(letters(&rule(&paradox)), "abc");
    }
    assert_eq!(schulze(&paradox).prefers[0], [0.0, 2.0, 1.0]);
}

/// Condorcet's 60 voters (Essai, 1785): a circle whose weakest link is a over b.
#[test]
fn condorcet_s_sixty_voters_choose_b_when_the_weakest_link_goes() {
    let profile = ballots(3, "23 abc, 17 bca, 2 bac, 10 cab, 8 cba");
    let count = ranked_pairs(&profile);
    assert_eq!(letters(&count), "b");
    let dropped: Vec<_> = count.pairs.iter().filter(|pair| !pair.locked).collect();
    assert_eq!((dropped[0].over, dropped[0].under, dropped[0].margin), (0, 1, 6.0));
    assert_eq!(letters(&schulze(&profile)), "b");
    assert_eq!(letters(&copeland(&profile)), "abc");
}

/// Smith (rangevoting.org, after Quas): two voters of 17 put the winner first, and it loses.
#[test]
fn an_instant_run_off_is_not_monotonic() {
    let before = irv(&ballots(3, "6 cab, 2 bac, 3 bca, 4 abc, 2 acb"));
    assert_eq!(letters(&before), "c");
    let after = irv(&ballots(3, "8 cab, 2 bac, 3 bca, 4 abc"));
    assert_eq!(letters(&after), "b");
}

/// Borda's count depends on options that can't win, and passes over a majority's first choice.
#[test]
fn borda_is_not_independent_of_irrelevant_alternatives() {
    let with = borda(&ballots(3, "3 abc, 2 bca"));
    assert_eq!(with.tally, [6.0, 7.0, 2.0]);
    assert_eq!(letters(&with), "b");
    assert_eq!(letters(&borda(&ballots(2, "3 ab, 2 ba"))), "a");
}

#[test]
fn the_cities_of_tennessee_come_out_as_the_encyclopaedias_say() {
    let profile = ballots(4, TENNESSEE);
    assert_eq!(letters(&plurality(&first_choices(&profile), None)), "a");
    assert_eq!(letters(&borda(&profile)), "b");
    assert_eq!(borda(&profile).tally, [126.0, 194.0, 173.0, 107.0]);
    assert_eq!(letters(&irv(&profile)), "d");
    assert_eq!(letters(&copeland(&profile)), "b");
    assert_eq!(letters(&schulze(&profile)), "b");
    // Each voter approves of the two best.
    let two = |(weight, marks): &(u64, Marks)| match marks {
        Marks::Ranking(ranks) => (*weight, Marks::Approvals(vec![ranks[0][0], ranks[1][0]])),
        other => (*weight, other.clone()),
    };
    let approvals =
        Profile { live: profile.live.clone(), ballots: profile.ballots.iter().map(two).collect() };
    let count = approval(&approvals, None);
    assert_eq!(count.tally, [42.0, 68.0, 58.0, 32.0]);
    assert_eq!(letters(&count), "b");
}
