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
    "vote_never_changes": ("arena_vote", "UPDATE", "FALSE", "a vote never changes"),
    "battle_shows_its_models": (
        "arena_battle",
        "INSERT",
        "2 = (SELECT COUNT(*) FROM generators_generation g WHERE g.prompt_id = NEW.prompt_id AND"
        " ((g.id = NEW.generation_a_id AND g.model_id = NEW.model_a_id)"
        " OR (g.id = NEW.generation_b_id AND g.model_id = NEW.model_b_id)))",
        "a battle shows images of its own models, for its own prompt",
    ),
    "leaderboard_never_changes": ("arena_leaderboard", "UPDATE", "FALSE", "a leaderboard never changes"),
    "rating_never_changes": ("arena_rating", "UPDATE", "FALSE", "a rating never changes"),
}

# name -> (table, event, statement to run after it, once a row)
CONSEQUENCES: dict[str, tuple[str, str, str]] = {
    # Paragone never deletes votes. If an administrator does, the counts that include them are void.
    "vote_deleted_voids_counts": (
        "arena_vote",
        "DELETE",
        # A row updated many times in one transaction becomes slow to find, so only the first vote updates it.
        "UPDATE arena_votecursor SET last_vote_id = 0 WHERE board_id = OLD.board_id AND last_vote_id > 0",
    ),
}
