"""What a person looks at: the JSON of the running proxy in, lines of text out.

Text: `cells` measures and cleans it, `figures` writes numbers, `paint` colours, `table` lines up, `reading`
reads JSON; `verdict`, `explanation` and `activity` are the pages made of them.

The Deck's model, pure: `assembly.deck_model` makes a `model.DeckModel` of one snapshot and the `sources`:
`conversations` joins the witnesses, `presence` says who is shown, `kinship` and `tree` who works for whom,
`nodes`, `bars`, `groups` and `needs` what is said of them.

The disk, read-only: `reader.SourceReader` keeps the `sources` fresh in a thread of its own, with `projects`,
`followed`, `transcripts` and `entries` for Claude Code's transcripts, `registry` for the session registry,
`machine` for the gauges, all through `files`.

The screen: `view.frame` lays a model out as `spans`, section by section (`sections`, `view_*`); `keys` says
what each key does to the `desk`; `board` holds the two together without a clock or a terminal.  `console` is
the loop around it: `screen` and `keyboard` at the terminal, `feed` for models, `controls` for commands.
"""
