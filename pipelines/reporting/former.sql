-- former: the publication of which the former state was made.
-- grain: one row, or none where the state does not say
-- reads: former.ops.publication

select publication_id, as_of_date
from former.ops.publication
where publication_id = $publication_id
