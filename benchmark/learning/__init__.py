"""The one learner: PPO in an arena, with hooks that attacks and defenses fill."""
