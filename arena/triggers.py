"""Database triggers: rules across two tables or two states of a row, which constraints cannot express.

The SQL is that of both databases. ``arena/trigger_installation.py`` installs the triggers after every ``migrate``.
"""

# name -> (table, event, condition that must hold, error message)
RULES: dict[str, tuple[str, str, str, str]] = {
    "board_origin_never_changes": (
        "arena_board",
        "UPDATE",
        "NEW.origin = OLD.origin",
        "the origin of a board never changes",
    ),
    "vote_origin_is_its_boards": (
        "arena_vote",
        "INSERT",
        "NEW.origin = (SELECT origin FROM arena_board WHERE id = NEW.board_id)",
        "a vote has the origin of its board",
    ),
    "vote_is_about_its_battle": (
        "arena_vote",
        "INSERT",
        "NEW.battle_id IS NULL OR EXISTS (SELECT 1 FROM arena_battle b WHERE b.id = NEW.battle_id"
        " AND b.board_id = NEW.board_id AND b.prompt_id = NEW.prompt_id"
        " AND b.model_a_id = NEW.model_a_id AND b.model_b_id = NEW.model_b_id)",
        "a vote has the board, prompt and models of its battle",
    ),
    # A closed battle that has lost its vote takes the same vote again: a backup restores battles before votes.
    "vote_is_by_the_owner_of_an_open_battle": (
        "arena_vote",
        "INSERT",
        "NEW.battle_id IS NULL OR EXISTS (SELECT 1 FROM arena_battle b JOIN arena_rater r ON r.key = b.owner"
        " WHERE b.id = NEW.battle_id AND r.id = NEW.rater_id"
        " AND (b.closed_at IS NULL OR (b.closure = 'vote' AND b.closed_at = NEW.cast_at)))",
        "a battle takes one vote, from its owner, while it is open",
    ),
    "vote_never_changes": ("arena_vote", "UPDATE", "FALSE", "a vote never changes"),
    "vote_is_never_deleted": ("arena_vote", "DELETE", "FALSE", "a vote is never deleted: exclude it instead"),
    "exclusion_is_only_lifted": (
        "arena_exclusion",
        "UPDATE",
        "OLD.lifted_at IS NULL AND NEW.lifted_at IS NOT NULL AND NEW.id = OLD.id AND NEW.board_id = OLD.board_id"
        " AND NEW.reason = OLD.reason AND NEW.note = OLD.note AND NEW.made_by = OLD.made_by"
        " AND NEW.made_at = OLD.made_at",
        "an exclusion never changes, except that it is lifted once",
    ),
    "exclusion_is_never_deleted": ("arena_exclusion", "DELETE", "FALSE", "an exclusion is never deleted"),
    "excluded_vote_is_on_its_board": (
        "arena_excludedvote",
        "INSERT",
        "(SELECT board_id FROM arena_vote WHERE id = NEW.vote_id)"
        " = (SELECT board_id FROM arena_exclusion WHERE id = NEW.exclusion_id)",
        "an exclusion is about votes of its board",
    ),
    # A backup restores the votes of a lifted exclusion, which were added before.
    "lifted_exclusion_takes_no_votes": (
        "arena_excludedvote",
        "INSERT",
        "NOT EXISTS (SELECT 1 FROM arena_exclusion WHERE id = NEW.exclusion_id AND lifted_at < NEW.added_at)",
        "votes cannot be added to a lifted exclusion",
    ),
    "excluded_vote_never_changes": ("arena_excludedvote", "UPDATE", "FALSE", "an excluded vote never changes"),
    "excluded_vote_is_never_deleted": ("arena_excludedvote", "DELETE", "FALSE", "an excluded vote is never deleted"),
    "battle_shows_its_models": (
        "arena_battle",
        "INSERT",
        "2 = (SELECT COUNT(*) FROM generators_generation g WHERE g.prompt_id = NEW.prompt_id AND"
        " ((g.id = NEW.generation_a_id AND g.model_id = NEW.model_a_id)"
        " OR (g.id = NEW.generation_b_id AND g.model_id = NEW.model_b_id)))",
        "a battle shows images of its own models, for its own prompt",
    ),
    "battle_never_changes_hands": (
        "arena_battle",
        "UPDATE",
        "NEW.owner = OLD.owner AND NEW.board_id = OLD.board_id AND NEW.prompt_id = OLD.prompt_id"
        " AND NEW.model_a_id = OLD.model_a_id AND NEW.model_b_id = OLD.model_b_id"
        " AND NEW.generation_a_id = OLD.generation_a_id AND NEW.generation_b_id = OLD.generation_b_id",
        "a battle never changes its owner, its board or what it shows",
    ),
    "battle_stays_closed": (
        "arena_battle",
        "UPDATE",
        "OLD.closed_at IS NULL"
        " OR (NEW.closed_at IS NOT NULL AND NEW.closed_at = OLD.closed_at AND NEW.closure = OLD.closure)",
        "a closed battle stays closed, for the same reason",
    ),
    "battle_is_closed_by_its_vote": (
        "arena_battle",
        "UPDATE",
        "NEW.closure <> 'vote' OR OLD.closure = 'vote'"
        " OR EXISTS (SELECT 1 FROM arena_vote v WHERE v.battle_id = NEW.id)",
        "a battle is closed by a vote only if it has one",
    ),
    "leaderboard_never_changes": ("arena_leaderboard", "UPDATE", "FALSE", "a leaderboard never changes"),
    "rating_never_changes": ("arena_rating", "UPDATE", "FALSE", "a rating never changes"),
}

# name -> (table, event, condition, statement to run after it for each row that has the condition)
CONSEQUENCES: dict[str, tuple[str, str, str, str]] = {
    "vote_closes_its_battle": (
        "arena_vote",
        "INSERT",
        "NEW.battle_id IS NOT NULL",
        "UPDATE arena_battle SET closed_at = NEW.cast_at, closure = 'vote' WHERE id = NEW.battle_id",
    ),
}
