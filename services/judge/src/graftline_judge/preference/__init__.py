"""Which of two models answers better? Each row is asked about twice, in both orders."""
