"""What the flags mean, and what to do about them; docs/tuning.md says more."""

FLAG_MEANINGS = {
    'lr_at_low_edge': 'the learning rate is the lowest that may be tried: lower lr_start',
    'lr_at_high_edge': 'the learning rate is about the highest that may be tried: raise lr_end',
    'nan_seen': 'the loss was NaN or infinite in a fresh model, or in all candidates of a round',
    'nothing_learned': 'no candidate learned anything: the choice is a guess; use a higher preset',
    'barely_learned': 'candidates were compared before they had learned much; use a higher preset',
    'sensitive': 'a learning rate close by does much worse; use a higher preset',
    'trial_diverged': 'the loss of a trial became NaN or infinite: it counts with performance 0',
    'worse_than_tuned': 'trials do worse than a shorter training in tuning: use a higher preset',
    'unread': 'a parameter of this point was never asked for by the code while it was tuned: '
    'it makes no difference here',
}
