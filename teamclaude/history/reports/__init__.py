"""Reports of the history: what is asked for, the rows, and their JSON and CSV.

- moments: the words for a time, and the labels of hours, days, weeks and months
- question: the groupings, the range, the number of rows
- report: the rows and their sum, and as JSON
- report_csv: the same as CSV
- report_json: the JSON of another server, read back
- window_shares: what part of the quota windows was used
"""
