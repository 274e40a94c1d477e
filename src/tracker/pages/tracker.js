// The page's script comes with the merge.
