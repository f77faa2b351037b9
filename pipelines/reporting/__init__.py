"""The report of a publication: counts and KPIs as pages for people, English and Chinese, in the published state."""
