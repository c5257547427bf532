"""Three catalogs that differ in a few words: Bacula 5 to 9, Bacula from 11 on, Bareos.

They are told apart by the columns they have, never by the number in their table Version: that of a Bareos of 2010
is one of Bacula's, too.
"""

from dataclasses import dataclass

FILE_DEVICE = 1
"""Media.VolType of volumes that are files: positions are byte offsets there."""


@dataclass(frozen=True)
class Dialect:
    """The words of one catalog. `text` turns an expression of characters that may be no text into bytes."""

    product: str
    file_name: str
    file_join: str
    types: tuple[str, ...]
    postgres: bool
    vol_type: bool
    piece_bytes: bool

    def text(self, expression: str) -> str:
        """That expression as the raw bytes the catalog holds: names of files need not be UTF-8."""
        form = "convert_to({}, getdatabaseencoding())" if self.postgres else "CAST({} AS BLOB)"
        return form.format(expression)

    @property
    def jobs(self) -> str:
        """Every backup job, oldest first; no names of files."""
        return f"""
            SELECT j.JobId AS jobid, j.Job AS job, j.Name AS name, c.Name AS client, fs.FileSet AS fileset,
                   j.Type AS type, j.Level AS level, j.JobStatus AS status, j.StartTime AS start_local,
                   j.EndTime AS end_local, j.JobTDate AS ended, j.JobFiles AS files, j.PurgedFiles AS purged,
                   j.VolSessionId AS session_id, j.VolSessionTime AS session_time, j.PriorJobId AS prior,
                   c.FileRetention AS file_retention, c.JobRetention AS job_retention
            FROM Job j
            JOIN Client c ON c.ClientId = j.ClientId
            LEFT JOIN FileSet fs ON fs.FileSetId = j.FileSetId
            WHERE j.Type IN ({self._quoted_types})
            ORDER BY j.JobTDate, j.JobId"""

    @property
    def parts(self) -> str:
        """On which volumes jobs lie, in how many pieces; by an index alone in the usual catalogs."""
        return """
            SELECT JobId AS jobid, MediaId AS mediaid, count(*) AS parts
            FROM JobMedia GROUP BY JobId, MediaId ORDER BY JobId, MediaId"""

    @property
    def tapes(self) -> str:
        """The state of every volume."""
        vol_type = "VolType" if self.vol_type else "0"
        return f"""
            SELECT MediaId AS mediaid, VolumeName AS volume, VolStatus AS vol_status, Enabled AS enabled,
                   InChanger AS in_changer, LastWritten AS written_local, VolRetention AS vol_retention,
                   {vol_type} AS vol_type
            FROM Media"""

    @property
    def files(self) -> str:
        """Records of `:jobs` after FileId `:after`, `:most` of them. Directories have no name, deletions no index."""
        # `+ 0` keeps PostgreSQL from reading the whole table in the order of its key, to stop at the LIMIT.
        place = "f.FileId + 0" if self.postgres else "f.FileId"
        return f"""
            SELECT f.JobId AS jobid, f.FileId AS fileid, f.FileIndex AS file_index,
                   {self.text("p.Path")} AS path, {self.text(self.file_name)} AS filename,
                   f.LStat AS lstat, f.Md5 AS digest
            FROM File f
            JOIN Path p ON p.PathId = f.PathId {self.file_join}
            WHERE f.JobId IN :jobs AND {place} > :after
            ORDER BY {place} LIMIT :most"""

    @property
    def pieces(self) -> str:
        """Where `:jobs` lie, piece by piece, in the order they were written."""
        size = "jm.JobBytes" if self.piece_bytes else "0"
        return f"""
            SELECT jm.JobId AS jobid, jm.MediaId AS mediaid, jm.FirstIndex AS first_index, jm.LastIndex AS last_index,
                   jm.StartFile AS start_file, jm.StartBlock AS start_block, jm.EndFile AS end_file,
                   jm.EndBlock AS end_block, {size} AS size
            FROM JobMedia jm WHERE jm.JobId IN :jobs ORDER BY jm.JobId, jm.JobMediaId"""

    @property
    def volumes(self) -> str:
        """The state of `:names`."""
        return """
            SELECT VolumeName AS volume, VolStatus AS vol_status, Enabled AS enabled, InChanger AS in_changer,
                   Slot AS slot, MediaType AS media_type
            FROM Media WHERE VolumeName IN :names"""

    @property
    def _quoted_types(self) -> str:
        return ", ".join(f"'{t}'" for t in self.types)


def dialect(file: set[str], jobmedia: set[str], media: set[str], *, postgres: bool) -> Dialect | None:
    """The dialect of a catalog whose tables File, JobMedia and Media have these columns (lower case)."""
    join = ""
    types: tuple[str, ...] = ("B", "C")
    if "filenameid" in file:
        product, name = "Bacula 5 to 9", "fn.Name"
        join = "JOIN Filename fn ON fn.FilenameId = f.FilenameId"
    elif "filename" in file:
        product, name = "Bacula 11 or newer", "f.Filename"
    elif "name" in file:
        product, name, types = "Bareos", "f.Name", ("B", "C", "A")
    else:
        return None
    return Dialect(
        product=product,
        file_name=name,
        file_join=join,
        types=types,
        postgres=postgres,
        vol_type="voltype" in media,
        piece_bytes="jobbytes" in jobmedia,
    )
