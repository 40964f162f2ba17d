"""Text for terminals: measured in cells, safe to print, styled.

It knows neither the Deck's model nor the proxy; other commands use it, too.

- cells: widths, cleaning, ASCII, tables
- format: numbers, durations and times for people
- names: shortened so that they remain distinct
- spans: styled lines and their colors
- sparkline: a short history as a line of blocks
"""
