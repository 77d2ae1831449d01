//! Statements of the product as a script of `pgbench`: its variables in place of `$n`.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

/// A statement of one of the product's files, and what stands for each of its parameters, `$1` first.
pub(crate) struct Statement<'a> {
    /// The file, for errors.
    pub(crate) file: &'a str,
    pub(crate) sql: &'a str,
    /// Variables of `pgbench` (`:name`), or expressions of them.
    pub(crate) parameters: &'a [&'a str],
}

/// A script that works out some variables, each by its expression, and then sends the statements, each in a transaction of its
/// own. Every one must return a row, whose columns are variables of those after it; `pgbench` gives up where there is none.
pub(crate) fn script(variables: &[(&str, &str)], statements: &[Statement<'_>]) -> Result<String> {
    let mut script = String::new();
    for (name, expression) in variables {
        script += &format!("\\set {name} {expression}\n");
    }
    for statement in statements {
        script += &format!("\n{}\n\\gset\n", statement.written()?);
    }
    Ok(script)
}

impl Statement<'_> {
    /// With its parameters replaced, and without whatever else `pgbench` would read otherwise than PostgreSQL does.
    fn written(&self) -> Result<String> {
        // A colon in a comment would be a variable.
        let lines = self.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
        let sql = lines.collect::<Vec<_>>().join("\n");
        // How sqlx is told what may be NULL; a variable cannot be called that.
        let sql = sql.replace("!\"", "\"").replace("?\"", "\"");
        ensure!(!sql.contains(';'), "{} has a semicolon, which would end its statement early", self.file);
        let mut used = BTreeSet::new();
        let mut pieces = sql.split('$');
        let mut written = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece.find(|character: char| !character.is_ascii_digit()).unwrap_or(piece.len());
            let (number, rest) = piece.split_at(end);
            let Ok(number) = number.parse::<usize>() else {
                bail!("{} has a $ that is no parameter: it cannot be told what it means", self.file);
            };
            let Some(parameter) = number.checked_sub(1).and_then(|at| self.parameters.get(at)) else {
                bail!(
                    "{} has a parameter ${number} that the benchmark knows nothing of: say what it is",
                    self.file
                );
            };
            used.insert(number);
            written += parameter;
            written += rest;
        }
        ensure!(
            used.len() == self.parameters.len(),
            "{} has {} parameters, and the benchmark means {}: say which they are",
            self.file,
            used.len(),
            self.parameters.len()
        );
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sql: &str, parameters: &[&str]) -> Result<String> {
        Statement { file: "x.sql", sql, parameters }.written()
    }

    #[test]
    fn a_parameter_is_replaced_wherever_it_is_and_its_cast_stays() {
        let sql = "SELECT $1::text, ($2), ANY($2::int[]) WHERE a=$1";
        let wanted = "SELECT :name::text, (:ids), ANY(:ids::int[]) WHERE a=:name";
        assert_eq!(written(sql, &[":name", ":ids"]).expect("a statement"), wanted);
    }

    #[test]
    fn the_tenth_parameter_is_not_the_first_one() {
        let names: Vec<String> = (1..=11).map(|number| format!(":p{number}_")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let sql = "$1 $10 $11 $2 $3 $4 $5 $6 $7 $8 $9 $1";
        let wanted = ":p1_ :p10_ :p11_ :p2_ :p3_ :p4_ :p5_ :p6_ :p7_ :p8_ :p9_ :p1_";
        assert_eq!(written(sql, &names).expect("a statement"), wanted);
    }

    #[test]
    fn comments_and_marks_of_columns_are_left_out() {
        let sql = "-- one :of $7; many\nSELECT a AS \"a!\", b AS \"b?\"\n  -- and\nFROM t";
        assert_eq!(written(sql, &[]).expect("a statement"), "SELECT a AS \"a\", b AS \"b\"\nFROM t");
    }

    #[test]
    fn a_statement_that_has_other_parameters_by_now_is_refused_by_name() {
        let refused = |sql, parameters| written(sql, parameters).expect_err("no statement").to_string();
        assert!(refused("SELECT $1, $2", &[":a"]).starts_with("x.sql has a parameter $2"));
        assert!(refused("SELECT $0", &[":a"]).starts_with("x.sql has a parameter $0"));
        assert!(refused("SELECT $1", &[":a", ":b"]).starts_with("x.sql has 1 parameters"));
        assert!(refused("SELECT $$a$$", &[]).starts_with("x.sql has a $ that is no parameter"));
        assert!(refused("SELECT 1; SELECT 2", &[]).starts_with("x.sql has a semicolon"));
    }

    #[test]
    fn a_script_has_its_variables_first_and_reads_what_each_statement_returns() {
        let statement = |sql, parameters| Statement { file: "x.sql", sql, parameters };
        let made = script(
            &[("turn", ":turn + 1")],
            &[statement("SELECT $1 AS fence", &[":turn"]), statement("SELECT $1", &[":fence"])],
        );
        let wanted = "\\set turn :turn + 1\n\nSELECT :turn AS fence\n\\gset\n\nSELECT :fence\n\\gset\n";
        assert_eq!(made.expect("a script"), wanted);
    }
}
