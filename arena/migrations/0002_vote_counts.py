import base64
import zlib

import django.db.models.deletion
import numpy as np
from django.db import migrations, models

WINNERS = ('model_a', 'model_b', 'tie', 'both_bad')


def pack_counts(apps, schema_editor):
    """The counts of the snapshots, from rows of (model_a, model_b, winner, votes) to the table of arena/leaderboards/matchup_counts.py."""
    Leaderboard = apps.get_model('arena', 'Leaderboard')
    if not Leaderboard.objects.exists():
        return
    on_table = ' ON arena_leaderboard' if schema_editor.connection.vendor == 'postgresql' else ''
    # The trigger is put back at the end of every migrate.
    schema_editor.execute(f'DROP TRIGGER IF EXISTS leaderboard_never_changes{on_table}')
    for leaderboard in Leaderboard.objects.only('counts', 'board').iterator(chunk_size=10):
        rows = leaderboard.counts
        rated = leaderboard.ratings.values_list('model', flat=True)
        models = sorted({pk for row in rows for pk in row[:2]} | set(rated))
        place = {pk: i for i, pk in enumerate(models)}
        table = np.zeros((len(models), len(models), len(WINNERS)), dtype='<i8')
        for model_a, model_b, winner, votes in rows:
            table[place[model_a], place[model_b], WINNERS.index(winner)] = votes
        packed = base64.b64encode(zlib.compress(table.tobytes(), 1)).decode()
        Leaderboard.objects.filter(pk=leaderboard.pk).update(counts={'models': models, 'table': packed})


class Migration(migrations.Migration):

    dependencies = [
        ('arena', '0001_initial'),
        ('generators', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='VoteCursor',
            fields=[
                ('board', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='vote_cursor', serialize=False, to='arena.board')),
                ('last_vote_id', models.PositiveBigIntegerField(default=0)),
                ('n_raters', models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='VoteCount',
            fields=[
                ('pk', models.CompositePrimaryKey('board', 'model_a', 'model_b', blank=True, editable=False, primary_key=True, serialize=False)),
                ('wins_a', models.PositiveBigIntegerField()),
                ('wins_b', models.PositiveBigIntegerField()),
                ('ties', models.PositiveBigIntegerField()),
                ('both_bad', models.PositiveBigIntegerField()),
                ('board', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='arena.board')),
                ('model_a', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='generators.imagemodel')),
                ('model_b', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='generators.imagemodel')),
            ],
        ),
        migrations.AddField(
            model_name='leaderboard',
            name='covariance_digest',
            field=models.CharField(blank=True, default='', help_text="sha256 of the rated models' covariance", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='rating',
            name='rank_set_best',
            field=models.PositiveIntegerField(help_text='of sets that hold for all models at once', null=True),
        ),
        migrations.AddField(
            model_name='rating',
            name='rank_set_worst',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='leaderboard',
            name='counts',
            field=models.JSONField(help_text='votes by model_a, model_b and winner: see arena/leaderboards/matchup_counts.py'),
        ),
        migrations.AlterField(
            model_name='leaderboard',
            name='digest',
            field=models.CharField(help_text='sha256 of parameters, counts, ratings and covariance', max_length=64),
        ),
        migrations.AlterField(
            model_name='vote',
            name='board',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='votes', to='arena.board'),
        ),
        migrations.AddIndex(
            model_name='battle',
            index=models.Index(condition=models.Q(('set_aside__gt', '')), fields=['board'], name='battle_set_aside'),
        ),
        migrations.AddIndex(
            model_name='vote',
            index=models.Index(fields=['board', 'rater'], name='vote_raters'),
        ),
        migrations.RunPython(pack_counts),
    ]
