# ruff: noqa: E501 - statements stay on their lines
"""A schema with everything that real customers have; `ZOO` builds it in an existing, empty database."""

TABLES = (
    "Ordnung `x` ß",
    "auto_no_pk",
    "bits",
    "child",
    "empty",
    "generated",
    "isam",
    "latin",
    "nokey",
    "parent",
    "parted",
    "places",
    "prices",
    "select",
    "tags",
    "texts",
    "times",
)

ZOO = r"""
SET NAMES utf8mb4;
CREATE USER IF NOT EXISTS web@'10.%', old@localhost;
GRANT SELECT, EXECUTE ON *.* TO web@'10.%', old@localhost;
CREATE TABLE parent (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL, name VARCHAR(60),
  UNIQUE KEY u_code (code), KEY k_name (name)) ENGINE=InnoDB AUTO_INCREMENT=500;
CREATE TABLE child (id BIGINT NOT NULL PRIMARY KEY, parent_id INT, parent_code VARCHAR(20), n INT DEFAULT 3 CHECK (n < 1000),
  KEY k_parent (parent_id), KEY k_code (parent_code), KEY k_n (n, parent_id),
  CONSTRAINT fk_id FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE,
  CONSTRAINT fk_code FOREIGN KEY (parent_code) REFERENCES parent (code)) ENGINE=InnoDB;
CREATE TABLE empty (id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB;
CREATE TABLE `select` (`order` INT PRIMARY KEY, `from` VARCHAR(10), KEY `group` (`from`)) ENGINE=InnoDB;
CREATE TABLE `Ordnung ``x`` ß` (`a ``b``` INT PRIMARY KEY, `ü` VARCHAR(10), `;` INT, KEY `k;'` (`;`)) ENGINE=InnoDB;
CREATE TABLE nokey (a INT, b VARCHAR(10), KEY kb (b)) ENGINE=InnoDB;
CREATE TABLE auto_no_pk (id INT NOT NULL AUTO_INCREMENT, b INT NOT NULL, UNIQUE KEY ub (b), KEY kid (id)) ENGINE=InnoDB;
CREATE TABLE isam (id INT PRIMARY KEY, t VARCHAR(50), KEY kt (t)) ENGINE=MyISAM;
CREATE TABLE texts (id INT PRIMARY KEY, t TEXT, j JSON, e ENUM('a','b''c','ü') DEFAULT 'a', s SET('x','y','z'), c CHAR(10),
  inv INT INVISIBLE DEFAULT 7, FULLTEXT KEY ft (t), KEY k_e (e)) ENGINE=InnoDB;
CREATE TABLE tags (id INT PRIMARY KEY, tag VARCHAR(40), FULLTEXT KEY f1 (tag), KEY k_tag (tag), UNIQUE KEY u_tag (tag, id))
  ENGINE=InnoDB;
CREATE TABLE bits (id INT PRIMARY KEY, b BINARY(4), vb VARBINARY(50), bl BLOB, f BIT(10), u UUID, ip INET6) ENGINE=InnoDB;
CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL, a INT, SPATIAL KEY sp (p), KEY k_a (a)) ENGINE=InnoDB;
CREATE TABLE generated (id INT PRIMARY KEY, a INT, v INT AS (a * 2) VIRTUAL, s VARCHAR(30) AS (CONCAT('n', a)) STORED,
  KEY k_v (v), KEY k_s (s)) ENGINE=InnoDB;
CREATE TABLE parted (id INT NOT NULL, y INT NOT NULL, t VARCHAR(20), PRIMARY KEY (id, y), KEY k_t (t)) ENGINE=InnoDB
  PARTITION BY RANGE (y) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE prices (id INT PRIMARY KEY, price DECIMAL(10,2), KEY k_price (price)) ENGINE=InnoDB WITH SYSTEM VERSIONING;
CREATE TABLE times (id INT PRIMARY KEY, d DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, t TIME(2), y YEAR, fl FLOAT, db DOUBLE,
  z INT(6) UNSIGNED ZEROFILL, bu BIGINT UNSIGNED) ENGINE=InnoDB;
CREATE TABLE latin (id INT PRIMARY KEY, t VARCHAR(50)) ENGINE=InnoDB DEFAULT CHARSET=latin1;
CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 3;
SELECT NEXTVAL(numbers);

SET SESSION sql_mode='';
INSERT INTO parent (code, name) VALUES ('a','Müller'),('b','O''Neill \\ "x"'),('c',NULL),('d','emoji 😀');
INSERT INTO child VALUES (1,500,'a',3),(2,500,'b',4),(3,502,NULL,NULL),(4,503,'d',999);
INSERT INTO `select` VALUES (1,'x),('),(2,'y);');
INSERT INTO `Ordnung ``x`` ß` VALUES (1,'ß',2),(2,'''',3);
INSERT INTO nokey VALUES (1,'x'),(1,'x'),(1,'x'),(NULL,NULL),(2,'');
INSERT INTO auto_no_pk (b) VALUES (10),(20);
INSERT INTO isam VALUES (1,'eins'),(2,'zwei\nlines\r\0\Z');
INSERT INTO texts (id,t,j,e,s,c) VALUES (1,'It''s; -- not a comment\n# nor /* this */','{"a": [1, "ü"]}','b''c','x,z','pad '),
  (2,'','[]','ü','',''),(3,NULL,NULL,'bad',NULL,NULL),(4,'\\',NULL,'a','x','\\''');
INSERT INTO tags VALUES (1,'),('),(2,'),\n('),(3,'INSERT INTO `x` VALUES (1);\n'),(4,'\\\\');
INSERT INTO bits VALUES (1,0x00FF27,0x275C0A3B,0xDEADBEEF,b'1010101010','123e4567-e89b-12d3-a456-426655440000','::1'),
  (2,'','','',0,NULL,NULL),(3,'ab  ','x''y\\',REPEAT('\0',30),b'0','00000000-0000-0000-0000-000000000000','1.2.3.4');
INSERT INTO places VALUES (1,POINT(1,2),3),(2,POINT(-1.5,39.25),4);
INSERT INTO generated (id,a) VALUES (1,5),(2,NULL),(3,-7);
INSERT INTO parted VALUES (1,1999,'old'),(2,2005,'new'),(3,2000,NULL);
INSERT INTO prices VALUES (1,10.50),(2,-0.01);
UPDATE prices SET price=12.34 WHERE id=1;
DELETE FROM prices WHERE id=2;
INSERT INTO times VALUES (1,'2021-03-04','2021-03-04 05:06:07.000001','2021-03-28 01:30:00.125','-12:34:56.78',2021,1.5,1e300,42,
  18446744073709551615),(2,'0000-00-00','0000-00-00 00:00:00',NULL,'00:00:00',0,-0.0,-0.0,0,0),
  (3,'9999-12-31','9999-12-31 23:59:59.999999','1970-01-02 00:00:00','838:59:59',1901,3.40282e38,0.1,999999,1);
INSERT INTO latin VALUES (1,'Größe'),(2,'€uro');

CREATE DEFINER=`web`@`10.%` VIEW v_inner AS SELECT id, name FROM parent WHERE name IS NOT NULL;
CREATE DEFINER=`old`@`localhost` SQL SECURITY DEFINER VIEW v_outer AS SELECT v.id, c.n FROM v_inner v JOIN child c ON c.parent_id=v.id;
CREATE DEFINER=`root`@`localhost` VIEW a_view_first AS SELECT * FROM v_outer;
DELIMITER ;;
CREATE DEFINER=`web`@`10.%` TRIGGER t_one BEFORE INSERT ON child FOR EACH ROW BEGIN
  -- it's a comment; with a quote
  IF NEW.n IS NULL THEN SET NEW.n = 1; END IF;
END;;
CREATE DEFINER=`web`@`10.%` TRIGGER t_two BEFORE INSERT ON child FOR EACH ROW FOLLOWS t_one SET NEW.n = NEW.n + 1;;
CREATE DEFINER=`old`@`localhost` PROCEDURE p_all(IN x INT)
  COMMENT 'says ''hi''; and more'
BEGIN
  DECLARE y INT DEFAULT 0; # another comment; here
  WHILE y < x DO SET y = y + 1; END WHILE;
  SELECT y, "double;quoted", 'it''s' INTO OUTFILE '/nowhere/at/all';
END;;
SET SESSION sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES';;
CREATE FUNCTION f_mode(s VARCHAR(20)) RETURNS VARCHAR(30) DETERMINISTIC RETURN CONCAT(s, '\');;
SET SESSION sql_mode=DEFAULT;;
CREATE EVENT e_tick ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' DO BEGIN
  DELETE FROM empty WHERE id < 0; UPDATE parent SET name='ticked' WHERE id=0;
END;;
DELIMITER ;
"""
